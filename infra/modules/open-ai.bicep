// A model for triage. Its deployment has the model's name, so that a setting names one thing.
param name string
param location string
param tags object
param principalId string
@description('One that the region has: az cognitiveservices model list --location LOCATION')
param model string = 'gpt-4.1-mini'
param modelVersion string = '2025-04-14'
@description('Thousands of tokens a minute: the most that a storm of incidents can spend.')
@minValue(1)
param capacity int = 50

resource account 'Microsoft.CognitiveServices/accounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'OpenAI'
  sku: { name: 'S0' }
  properties: {
    // Without a name of its own it takes keys only.
    customSubDomainName: name
    disableLocalAuth: true
    publicNetworkAccess: 'Enabled'
  }
}

resource deployment 'Microsoft.CognitiveServices/accounts/deployments@2025-06-01' = {
  parent: account
  name: model
  sku: { name: 'GlobalStandard', capacity: capacity }
  properties: {
    model: { format: 'OpenAI', name: model, version: modelVersion }
    // The triage that was tried is the triage that runs.
    versionUpgradeOption: 'OnceCurrentVersionExpired'
  }
}

resource user 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, principalId, 'Cognitive Services OpenAI User')
  scope: account
  properties: {
    // Cognitive Services OpenAI User
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '5e0bd9bd-7b93-4f28-af87-19fc36ad61bd')
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output endpoint string = 'https://${account.properties.customSubDomainName}.openai.azure.com'
output deploymentName string = deployment.name
