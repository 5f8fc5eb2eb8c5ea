# A service whose named keys are the versions of one secret.
path "secret/data/apps/orders" {
  capabilities = ["read"]
}
path "secret/metadata/apps/orders" {
  capabilities = ["read"]
}
