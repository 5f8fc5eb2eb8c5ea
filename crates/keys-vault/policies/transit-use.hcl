# A service that seals and opens: wrapping and unwrapping by keys that exist. Nothing else.
path "transit/encrypt/sealmq-*" {
  capabilities = ["update"]
}
path "transit/decrypt/sealmq-*" {
  capabilities = ["update"]
}
