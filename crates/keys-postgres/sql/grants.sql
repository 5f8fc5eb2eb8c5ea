-- What each role needs and no more. Create the roles as you like (here they cannot log in: grant
-- them to the users that do), and run this as the owner of the schema, after every migration.

-- Services at run time: wrap, unwrap, create a tenant's first KEK, guard against replays.
-- Without the INSERT on kms_keys, first use of a tenant is denied and the operator creates it.
GRANT USAGE ON SCHEMA {schema} TO {runtime};
GRANT SELECT ON {schema}.schema_migrations TO {runtime};
GRANT SELECT, INSERT ON {schema}.kms_keys TO {runtime};
GRANT SELECT ON {schema}.kms_deks TO {runtime};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.replay_nonces TO {runtime};

-- Whoever rotates, re-wraps, retires and shreds. No row of a key is ever deleted.
GRANT USAGE ON SCHEMA {schema} TO {operator};
GRANT SELECT ON {schema}.schema_migrations TO {operator};
GRANT SELECT, INSERT, UPDATE ON {schema}.kms_keys TO {operator};
GRANT SELECT, INSERT, UPDATE ON {schema}.kms_deks TO {operator};
GRANT SELECT, INSERT, UPDATE ON {schema}.re_encryption_jobs TO {operator};
