// Who watches the watchman: rules about Tocsin itself, that tell people without it.
param name string
param location string
param tags object
param watchmen string[]
param url string
param workspaceId string
param insightsId string
param cosmosId string
param serviceBusId string

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'tocsin'
    enabled: true
    emailReceivers: [
      for (address, index) in watchmen: { name: 'watchman-${index}', emailAddress: address, useCommonAlertSchema: true }
    ]
  }
}

// From outside and from several places: what no metric of an app that does not start would say. It also wakes an
// instance now and then.
resource probe 'Microsoft.Insights/webtests@2022-06-15' = {
  name: '${name}-ready'
  location: location
  tags: union(tags, { 'hidden-link:${insightsId}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: '${name}-ready'
    Name: '${name}-ready'
    Kind: 'standard'
    Enabled: true
    Frequency: 300
    Timeout: 60
    RetryEnabled: true
    Locations: [{ Id: 'emea-nl-ams-azr' }, { Id: 'us-va-ash-azr' }, { Id: 'apac-sg-sin-azr' }]
    Request: { RequestUrl: '${url}/-/ready', HttpVerb: 'GET' }
    ValidationRules: { ExpectedHttpStatusCode: 200, SSLCheck: true, SSLCertRemainingLifetimeCheck: 7 }
  }
}

resource unreachable 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-unreachable'
  location: 'global'
  tags: tags
  properties: {
    description: 'Two of three places get no answer from /-/ready: alerts are not taken in.'
    severity: 0
    enabled: true
    scopes: [probe.id, insightsId]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: probe.id
      componentId: insightsId
      failedLocationCount: 2
    }
    actions: [{ actionGroupId: people.id }]
  }
}

// What the platform counts, whether the app runs or not.
var metricRules = [
  {
    name: 'dead-letters'
    description: 'Messages have died after a thousand tries: tocsin dead-letters tells which, and why.'
    severity: 1
    scope: serviceBusId
    namespace: 'Microsoft.ServiceBus/namespaces'
    metric: 'DeadletteredMessages'
    aggregation: 'Maximum'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT5M'
    dimension: 'EntityName'
    values: ['*']
  }
  {
    name: 'backlog'
    description: 'Alerts, or pages, wait in a queue for a quarter of an hour: nothing folds them, or too slowly.'
    severity: 1
    scope: serviceBusId
    namespace: 'Microsoft.ServiceBus/namespaces'
    metric: 'ActiveMessages'
    aggregation: 'Minimum'
    operator: 'GreaterThan'
    threshold: 100
    window: 'PT15M'
    dimension: 'EntityName'
    values: ['intake', 'groups', 'ticks', 'deliveries']
  }
  {
    name: 'bus-refuses'
    description: 'Service Bus answers with errors of its own.'
    severity: 1
    scope: serviceBusId
    namespace: 'Microsoft.ServiceBus/namespaces'
    metric: 'ServerErrors'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 10
    window: 'PT5M'
    dimension: 'EntityName'
    values: ['*']
  }
  {
    name: 'store-throttles'
    description: 'Cosmos DB refuses requests as too many: folding is slower than it could be.'
    severity: 2
    scope: cosmosId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'TotalRequests'
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 100
    window: 'PT5M'
    dimension: 'StatusCode'
    values: ['429']
  }
  {
    name: 'store-refuses'
    description: 'Cosmos DB is not available: alerts are refused with 503, and messages wait.'
    severity: 1
    scope: cosmosId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'TotalRequests'
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 10
    window: 'PT5M'
    dimension: 'StatusCode'
    values: ['500', '503', '408']
  }
]

resource metricAlert 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for rule in metricRules: {
    name: '${name}-${rule.name}'
    location: 'global'
    tags: tags
    properties: {
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [rule.scope]
      evaluationFrequency: 'PT1M'
      windowSize: rule.window
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: rule.name
            metricNamespace: rule.namespace
            metricName: rule.metric
            timeAggregation: rule.aggregation
            operator: rule.operator
            threshold: rule.threshold
            dimensions: [{ name: rule.dimension, operator: 'Include', values: rule.values }]
          }
        ]
      }
      actions: [{ actionGroupId: people.id }]
    }
  }
]

// What the app says, or no longer says.
var logRules = [
  {
    name: 'asleep'
    description: 'The sweep has not run for a quarter of an hour: nobody wakes what fell due unseen, and no lease ends.'
    severity: 1
    query: 'union isfuzzy=true AppRequests, AppTraces | where OperationName == "sweep"'
    operator: 'LessThan'
    threshold: 1
  }
  {
    name: 'failing'
    description: 'Functions of Tocsin fail again and again.'
    severity: 2
    query: 'AppExceptions'
    operator: 'GreaterThan'
    threshold: 20
  }
]

resource logAlert 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in logRules: {
    name: '${name}-${rule.name}'
    location: location
    tags: tags
    properties: {
      displayName: '${name}-${rule.name}'
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.operator
            threshold: rule.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: true
      actions: { actionGroups: [people.id] }
    }
  }
]
