// Where groups, incidents and everything that must last is kept.
param name string
param location string
param tags object
param principalId string
@allowed(['serverless', 'autoscale'])
param mode string
@minValue(1000)
param mostRequestUnits int = 4000

var day = 86400

// As adapters/cosmos/containers.py has them, which says what each is for: tests/infra/test_stores.py compares.
// Nothing is indexed but what a query asks for, since each path costs a write. -1: what has no `ttl` of its own stays.
var containers = [
  { name: 'groups', key: '/group', ttl: -1, indexed: ['/type/?', '/number/?', '/incident/?', '/fingerprint/?', '/is_live/?', '/due_at/?'] }
  { name: 'incidents', key: '/month', ttl: -1, indexed: ['/place/?'] }
  { name: 'history', key: '/bucket', ttl: -1, indexed: ['/number/?', '/incident/?', '/names/[]/?'] }
  { name: 'statistics', key: '/day', ttl: -1, indexed: [] }
  { name: 'policy', key: '/part', ttl: -1, indexed: ['/type/?', '/ends/?'] }
  { name: 'sources', key: '/key', ttl: -1, indexed: ['/rule/?', '/earliest/?'] }
  { name: 'shadow', key: '/day', ttl: -1, indexed: ['/place/?'] }
  { name: 'dead', key: '/part', ttl: -1, indexed: ['/at/?', '/queue/?'] }
  { name: 'payloads', key: '/id', ttl: 14 * day, indexed: [] }
  { name: 'audit', key: '/segment', ttl: -1, indexed: ['/number/?'] }
  { name: 'requests', key: '/id', ttl: day, indexed: [] }
  { name: 'receipts', key: '/id', ttl: 3 * day, indexed: [] }
  { name: 'arrivals', key: '/part', ttl: -1, indexed: ['/kind/?', '/key/?', '/is_rejected/?'] }
  { name: 'findings', key: '/incident', ttl: 90 * day, indexed: ['/number/?', '/at/?'] }
  { name: 'triage', key: '/part', ttl: -1, indexed: ['/place/?', '/service/?'] }
  // The host's, who may not make it with an identity; a trigger that were told to would not start.
  { name: 'leases', key: '/id', ttl: -1, indexed: [] }
]

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: false }]
    capabilities: mode == 'serverless' ? [{ name: 'EnableServerless' }] : []
    consistencyPolicy: { defaultConsistencyLevel: 'Session' }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: 'Enabled'
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-04-15' = {
  parent: account
  name: 'tocsin'
  properties: {
    resource: { id: 'tocsin' }
    // Shared by the containers: sixteen of their own would each have a least price.
    options: mode == 'serverless' ? {} : { autoscaleSettings: { maxThroughput: mostRequestUnits } }
  }
}

resource container 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = [
  for one in containers: {
    parent: database
    name: one.name
    properties: {
      resource: {
        id: one.name
        partitionKey: { paths: [one.key], kind: 'Hash', version: 2 }
        defaultTtl: one.ttl
        indexingPolicy: {
          indexingMode: 'consistent'
          automatic: true
          includedPaths: [for path in one.indexed: { path: path }]
          excludedPaths: [{ path: '/*' }]
        }
      }
    }
  }
]

// A role of the account's own, not of Azure: Cosmos DB Built-in Data Contributor. It can make no container.
resource contributor 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = {
  parent: account
  name: guid(account.id, principalId, 'Cosmos DB Built-in Data Contributor')
  properties: {
    principalId: principalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002'
    scope: account.id
  }
}

output id string = account.id
output endpoint string = account.properties.documentEndpoint
output databaseName string = database.name
