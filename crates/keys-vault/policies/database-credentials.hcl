# A service that gets its users of a database here: makes them, renews them, and revokes them when
# it ends. A lease is known by its id, which nobody else is told.
path "database/creds/sealmq" {
  capabilities = ["read"]
}
path "sys/leases/renew" {
  capabilities = ["update"]
}
path "sys/leases/revoke" {
  capabilities = ["update"]
}
