# An operator: creates, rotates and shreds keys. It can neither export nor back them up, and
# without transit-use it can open nothing.
path "transit/keys/sealmq-*" {
  capabilities = ["create", "read", "update", "delete"]
}
