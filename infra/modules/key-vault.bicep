// The secrets that must be some: everything else is asked with the identity.
param name string
param location string
param tags object
param principalId string
@secure()
param keyPepper string
@secure()
param slackSigningSecret string

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    enabledForDeployment: false
    enabledForTemplateDeployment: false
    enabledForDiskEncryption: false
    // A reference in an app setting is read from addresses that nobody can list without a virtual network.
    publicNetworkAccess: 'Enabled'
    networkAcls: { defaultAction: 'Allow', bypass: 'AzureServices' }
  }
}

// Not given, not touched: a deployment that does not know the secret leaves the one that is there.
resource pepper 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(keyPepper)) {
  parent: vault
  name: 'key-pepper'
  properties: { value: keyPepper, contentType: 'text/plain' }
}

resource slack 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(slackSigningSecret)) {
  parent: vault
  name: 'slack-signing-secret'
  properties: { value: slackSigningSecret, contentType: 'text/plain' }
}

resource reader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, 'Key Vault Secrets User')
  scope: vault
  properties: {
    // Key Vault Secrets User
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4633458b-17de-408a-b874-0445c86b69e6')
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output name string = vault.name
// References, and no secrets: without a version, so that a new one is found within a day.
output keyPepperReference string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/key-pepper)'
output slackSigningSecretReference string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/slack-signing-secret)'
