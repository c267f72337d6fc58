// Where work waits between two stops of an alert's way.
param name string
param location string
param tags object
param principalId string

// As domain/queues.py and the senders have them: tests/infra/test_stores.py compares.
// `deduplicated`: a message whose id was sent in the last ten minutes is dropped. Never where an id is no outbox's: the
// same tick may be meant twice. Sessions keep the order within a shard of groups.
var queues = [
  { name: 'intake', sessions: false, deduplicated: false }
  { name: 'groups', sessions: true, deduplicated: false }
  { name: 'ticks', sessions: false, deduplicated: false }
  { name: 'deliveries', sessions: false, deduplicated: true }
  { name: 'reactions', sessions: false, deduplicated: false }
  { name: 'triage', sessions: false, deduplicated: true }
]

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  // Basic has no sessions and no duplicate detection; Premium has a virtual network, and a price by the hour.
  sku: { name: 'Standard', tier: 'Standard' }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [
  for one in queues: {
    parent: namespace
    name: one.name
    properties: {
      requiresSession: one.sessions
      requiresDuplicateDetection: one.deduplicated
      duplicateDetectionHistoryTimeWindow: 'PT10M'
      lockDuration: 'PT1M'
      // An outage is waited out, not dead-lettered.
      maxDeliveryCount: 1000
      defaultMessageTimeToLive: 'P14D'
      deadLetteringOnMessageExpiration: true
      maxSizeInMegabytes: 5120
    }
  }
]

resource owner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(namespace.id, principalId, 'Azure Service Bus Data Owner')
  scope: namespace
  properties: {
    // Azure Service Bus Data Owner, and not Sender and Receiver: without it the platform cannot see how much waits, and
    // adds instances one by one.
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '090c5cfd-751d-490a-894a-3ce6f1109419')
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output id string = namespace.id
output host string = '${namespace.name}.servicebus.windows.net'
