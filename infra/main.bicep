// Everything that Tocsin needs on Azure, in a resource group of its own: `azd provision`, or
// az deployment sub create --location LOCATION --template-file infra/main.bicep --parameters environmentName=NAME ...
// Whoever may not make resource groups deploys tocsin.bicep into one that there is.
targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('The name of this installation, as azd knows it: a second one has another.')
param environmentName string

@description('The region. Flex Consumption must be there: az functionapp list-flexconsumption-locations')
param location string

@secure()
@description('What API keys are hashed with, 32 characters or more. Only for the first deployment: left empty, the one in the vault stays. Another one makes every API key wrong.')
param keyPepper string = ''

@secure()
@description('The signing secret of the Slack app whose buttons Tocsin answers. Left empty, the one in the vault stays.')
param slackSigningSecret string = ''

@description('Whether the vault has, or now gets, a signing secret of a Slack app.')
param hasSlackSigningSecret bool = false

@description('For whom tokens of Entra ID must be: the client id or the URI of the app registration. Empty: API keys only.')
param entraAudience string = ''

@description('Under which people reach Tocsin, for links. Empty: the address of the function app.')
param externalUrl string = ''

@description('Addresses, by commas, that are mailed when Tocsin itself is ill: by other means than Tocsin, on purpose.')
param watchmen string = ''

@description('Deploy Azure Web PubSub, for the live stream by WebSockets. Without it there is the long poll.')
param deployWebPubSub bool = false

@description('Deploy Azure OpenAI, for triage by a model. Without it triage goes by rules alone.')
param deployOpenAi bool = false

@description('`serverless` is billed by the request; `autoscale` is cheaper from about three million alerts a month.')
@allowed(['serverless', 'autoscale'])
param cosmosMode string = 'serverless'

@description('App settings that differ from those in tocsin.bicep, as {"TOCSIN_BODY_BYTES": "1048576"}.')
param tuning object = {}

var tags = { 'azd-env-name': environmentName, application: 'tocsin' }

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module tocsin 'tocsin.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    keyPepper: keyPepper
    slackSigningSecret: slackSigningSecret
    hasSlackSigningSecret: hasSlackSigningSecret
    entraAudience: entraAudience
    externalUrl: externalUrl
    watchmen: empty(watchmen) ? [] : split(watchmen, ',')
    deployWebPubSub: deployWebPubSub
    deployOpenAi: deployOpenAi
    cosmosMode: cosmosMode
    tuning: tuning
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP_NAME string = tocsin.outputs.functionAppName
output AZURE_KEY_VAULT_NAME string = tocsin.outputs.vaultName
output TOCSIN_URL string = tocsin.outputs.url
