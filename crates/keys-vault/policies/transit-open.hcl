# A service that opens only: a consumer that must not be able to seal.
path "transit/decrypt/sealmq-*" {
  capabilities = ["update"]
}
