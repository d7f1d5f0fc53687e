// Client program on @platformatic/kafka: the verbs of ../README.md's `admin` only.
'use strict'
const { Admin, Consumer, Producer } = require('@platformatic/kafka')
const { serve, numbers } = require('./admin.js')

const bootstrap = process.argv[2]
const options = { clientId: 'e2e', bootstrapBrokers: [bootstrap], requestTimeout: 5000 }
const TOPIC = 2
const BROKER = 4

async function withClient(client, use) {
  try {
    return await use(client)
  } finally {
    client.close(true).catch(() => {})
  }
}

const produce = (topic, more = {}) =>
  withClient(new Producer({ ...options, ...more }), producer =>
    producer.send({ messages: [{ topic, value: Buffer.from('v') }], autocreateTopics: false }))

// Reads one record.
const read = (topic, groupId, more = {}) =>
  withClient(new Consumer({ ...options, groupId, autocreateTopics: false, ...more }), async consumer => {
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
    for await (const _ of stream) return
  })

const admin = new Admin(options)
serve({
  create: async (name, count) => (await admin.createTopics({ topics: [name], partitions: +count, replicas: 1 }))[0].partitions,
  'create-on': async (name, count) => {
    const assignments = [...Array(+count).keys()].map(partition => ({ partition, brokers: [1] }))
    await admin.createTopics({ topics: [name], partitions: -1, replicas: -1, assignments })
  },
  grow: (name, count) => admin.createPartitions({ topics: [{ name, count: +count }] }),
  delete: name => admin.deleteTopics({ topics: [name] }),
  'delete-records': async (name, offset, partitions) => {
    const which = numbers(partitions).map(partition => ({ partition, offset: BigInt(offset) }))
    await admin.deleteRecords({ topics: [{ name, partitions: which }] })
  },
  describe: async name => (await admin.metadata({ topics: [name] })).topics.get(name).partitionsCount,
  list: async () => (await admin.listTopics()).join(' '),
  configs: async name => {
    const [answer] = await admin.describeConfigs({ resources: [{ resourceType: TOPIC, resourceName: name, configurationKeys: ['retention.ms'] }] })
    return answer.configs[0].value
  },
  'broker-config': () => {
    const configs = [{ name: 'log.cleaner.threads', value: '1', configOperation: 0 }]
    return admin.incrementalAlterConfigs({ resources: [{ resourceType: BROKER, resourceName: '1', configs }] })
  },
  acl: name => admin.createAcls({
    creations: [{ resourceType: TOPIC, resourceName: name, resourcePatternType: 3, principal: 'User:alice', host: '*', operation: 3, permissionType: 3 }],
  }),
  produce: async name => { await produce(name) },
  join: read,
  'consumer-protocol': (name, group) => read(name, group, { groupProtocol: 'consumer' }),
  transact: (name, id) => withClient(new Producer({ ...options, transactionalId: id, idempotent: true }), async producer => {
    await (await producer.beginTransaction()).abort()
  }),
})
