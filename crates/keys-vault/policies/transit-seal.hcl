# A service that seals only: a producer that must not be able to open. Until its process ends it
# knows the DEKs that it made itself.
path "transit/encrypt/sealmq-*" {
  capabilities = ["update"]
}
