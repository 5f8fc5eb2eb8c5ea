# Added to transit-use where the first use of a tenant may create its key.
path "transit/encrypt/sealmq-*" {
  capabilities = ["create", "update"]
}
