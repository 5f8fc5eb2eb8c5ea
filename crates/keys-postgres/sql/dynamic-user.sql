-- The creation statement of a dynamic role in the database engine of Vault or OpenBao: a user that
-- has the rights of a service at run time for as long as its lease. The engine's own user needs
-- CREATEROLE, and `GRANT sealmq_runtime TO … WITH ADMIN OPTION`.
CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE sealmq_runtime;
