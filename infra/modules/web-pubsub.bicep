// The live stream by WebSockets; the app only sends to it and makes tokens for it, so the hub needs no handler.
param name string
param location string
param tags object
param principalId string
@description('Free_F1 has 20 connections and 20,000 messages a day.')
@allowed(['Free_F1', 'Standard_S1'])
param sku string = 'Free_F1'

resource service 'Microsoft.SignalRService/webPubSub@2024-03-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku, capacity: 1 }
  properties: {
    disableLocalAuth: true
    disableAadAuth: false
    publicNetworkAccess: 'Enabled'
    tls: { clientCertEnabled: false }
  }
}

resource owner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(service.id, principalId, 'Web PubSub Service Owner')
  scope: service
  properties: {
    // Web PubSub Service Owner
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '12cf5a90-567b-43ae-8102-96cf46c7d9b4')
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output endpoint string = 'https://${service.properties.hostName}'
