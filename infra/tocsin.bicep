// Tocsin in one resource group: the parts, and what the app is told about them.
targetScope = 'resourceGroup'

param location string = resourceGroup().location
param tags object = {}
@secure()
param keyPepper string = ''
@secure()
param slackSigningSecret string = ''
param hasSlackSigningSecret bool = false
param entraTenants string = subscription().tenantId
param entraAudience string = ''
param externalUrl string = ''
param watchmen string[] = []
param deployWebPubSub bool = false
param deployOpenAi bool = false
@allowed(['serverless', 'autoscale'])
param cosmosMode string = 'serverless'
param tuning object = {}

@description('How many requests one instance serves at once. The default for Python is 1: an instance for each.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 64

@description('Instances for HTTP that never sleep: 1 where the first alert after a quiet hour may not wait for a start.')
@minValue(0)
param alwaysReady int = 0

@description('512 costs a quarter of 2048 and starts slower.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('The most instances for each function that is not HTTP, and for HTTP.')
@minValue(40)
@maxValue(1000)
param mostInstances int = 40

var token = uniqueString(subscription().id, resourceGroup().id, location)
var name = 'tocsin-${token}'
var url = 'https://${name}.azurewebsites.net'

module identity 'modules/identity.bicep' = {
  params: { name: name, location: location, tags: tags }
}

module monitoring 'modules/monitoring.bicep' = {
  params: { name: name, location: location, tags: tags, principalId: identity.outputs.principalId }
}

module storage 'modules/storage.bicep' = {
  // No hyphens, and 24 characters at most.
  params: { name: 'tocsin${token}', location: location, tags: tags, principalId: identity.outputs.principalId }
}

module cosmos 'modules/cosmos.bicep' = {
  params: {
    name: name
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    mode: cosmosMode
  }
}

module serviceBus 'modules/service-bus.bicep' = {
  params: { name: name, location: location, tags: tags, principalId: identity.outputs.principalId }
}

module vault 'modules/key-vault.bicep' = {
  params: {
    name: name
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    keyPepper: keyPepper
    slackSigningSecret: slackSigningSecret
  }
}

module webPubSub 'modules/web-pubsub.bicep' = if (deployWebPubSub) {
  params: { name: name, location: location, tags: tags, principalId: identity.outputs.principalId }
}

module openAi 'modules/open-ai.bicep' = if (deployOpenAi) {
  params: { name: name, location: location, tags: tags, principalId: identity.outputs.principalId }
}

// Every setting of adapters/settings.py that means something on Azure, and no other: tests/infra/test_settings.py.
// The values are the app's own defaults where nothing is said beside them.
var settings = {
  TOCSIN_HOME: 'azure'
  TOCSIN_AUTH: 'true'
  TOCSIN_KEY_PEPPER: vault.outputs.keyPepperReference
  TOCSIN_SLACK_SIGNING_SECRET: hasSlackSigningSecret ? vault.outputs.slackSigningSecretReference : ''
  TOCSIN_EXTERNAL_URL: empty(externalUrl) ? url : externalUrl
  TOCSIN_ENTRA_TENANTS: empty(entraAudience) ? '' : entraTenants
  TOCSIN_ENTRA_AUDIENCE: entraAudience
  TOCSIN_COMPAT: 'mended'
  TOCSIN_SHADOW: 'false'
  TOCSIN_IGNORE_UNSUPPORTED_RECEIVERS: 'false'
  TOCSIN_PRIVATE_RECEIVERS: ''
  TOCSIN_PROXIES: '0'
  TOCSIN_CORS_ORIGINS: ''
  TOCSIN_BODY_BYTES: '5242880'
  TOCSIN_BATCH_ALERTS: '20000'
  TOCSIN_INGEST_PER_SECOND: '2000'
  TOCSIN_INGEST_BURST: '4000'
  TOCSIN_REQUESTS_PER_SECOND: '50'
  TOCSIN_REQUESTS_BURST: '200'
  TOCSIN_REQUEST_SECONDS: '60'
  TOCSIN_RAW_RETENTION_HOURS: '168'
  TOCSIN_RECONCILE_SUBSCRIPTIONS: ''
  TOCSIN_RECONCILE_ACTION_GROUPS: ''
  // The app takes it without the slash at its end.
  TOCSIN_RECONCILE_ENDPOINT: take(environment().resourceManager, length(environment().resourceManager) - 1)
  TOCSIN_WEB_PUBSUB_HUB: 'tocsin'
  WEB_PUBSUB__endpoint: deployWebPubSub ? webPubSub!.outputs.endpoint : ''
  TOCSIN_TRIAGE: 'true'
  TOCSIN_TRIAGE_PROCESS: 'false'
  TOCSIN_MODEL: deployOpenAi ? openAi!.outputs.deploymentName : ''
  TOCSIN_MODEL_ENDPOINT: deployOpenAi ? openAi!.outputs.endpoint : ''
  TOCSIN_MODEL_REVIEW: 'true'
  TOCSIN_MODEL_REASONING: 'false'
  TOCSIN_MODEL_ANSWER_TOKENS: '4000'
  COSMOS__accountEndpoint: cosmos.outputs.endpoint
  COSMOS_DATABASE: cosmos.outputs.databaseName
  SERVICE_BUS__fullyQualifiedNamespace: serviceBus.outputs.host
}

// What the host reads and the app does not: by which identity, and the queues of the triggers.
var hostSettings = {
  AzureWebJobsDisableHomepage: 'true'
  AzureWebJobsStorage__accountName: storage.outputs.accountName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.outputs.clientId
  COSMOS__credential: 'managedidentity'
  COSMOS__clientId: identity.outputs.clientId
  SERVICE_BUS__credential: 'managedidentity'
  SERVICE_BUS__clientId: identity.outputs.clientId
  AZURE_CLIENT_ID: identity.outputs.clientId
  INTAKE_QUEUE: 'intake'
  GROUPS_QUEUE: 'groups'
  TICKS_QUEUE: 'ticks'
  DELIVERIES_QUEUE: 'deliveries'
  TRIAGE_QUEUE: 'triage'
  REACTIONS_QUEUE: 'reactions'
}

module app 'modules/function-app.bicep' = {
  params: {
    name: name
    location: location
    tags: tags
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    insightsName: monitoring.outputs.insightsName
    packagesUrl: storage.outputs.packagesUrl
    settings: union(settings, hostSettings, tuning)
    httpConcurrency: httpConcurrency
    alwaysReady: alwaysReady
    instanceMemoryMB: instanceMemoryMB
    mostInstances: mostInstances
  }
}

module alerts 'modules/alerts.bicep' = {
  params: {
    name: name
    location: location
    tags: tags
    watchmen: watchmen
    url: url
    workspaceId: monitoring.outputs.workspaceId
    insightsId: monitoring.outputs.insightsId
    cosmosId: cosmos.outputs.id
    serviceBusId: serviceBus.outputs.id
  }
}

output functionAppName string = app.outputs.name
output vaultName string = vault.outputs.name
output url string = url
