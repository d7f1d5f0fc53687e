// Verbs of ../README.md's `admin`, with kafkajs.
'use strict'
const { Kafka, logLevel, ConfigResourceTypes, AclResourceTypes, ResourcePatternTypes, AclOperationTypes, AclPermissionTypes } = require('kafkajs')
const { serve, log, numbers } = require('./admin.js')

async function admin(bootstrap) {
  const logCreator = () => ({ level, log: entry }) => {
    if (level <= logLevel.WARN) log([entry.message, entry.error].filter(Boolean).join(': '))
  }
  const kafka = new Kafka({ clientId: 'e2e', brokers: [bootstrap], logLevel: logLevel.WARN, logCreator, requestTimeout: 5000 })
  const admin = kafka.admin()
  await admin.connect()
  const topic = (name, numPartitions, replicaAssignment) => ({ topics: [{ topic: name, numPartitions, replicaAssignment }] })
  await serve({
    create: async (name, count) => {
      await admin.createTopics(topic(name, +count))
      return (await admin.fetchTopicMetadata({ topics: [name] })).topics[0].partitions.length
    },
    'create-on': async (name, count) => {
      await admin.createTopics(topic(name, undefined, [...Array(+count).keys()].map(partition => ({ partition, replicas: [1] }))))
    },
    grow: async (name, count) => { await admin.createPartitions({ topicPartitions: [{ topic: name, count: +count }] }) },
    delete: name => admin.deleteTopics({ topics: [name] }),
    'delete-records': (name, offset, partitions) =>
      admin.deleteTopicRecords({ topic: name, partitions: numbers(partitions).map(partition => ({ partition, offset })) }),
    describe: async name => (await admin.fetchTopicMetadata({ topics: [name] })).topics[0].partitions.length,
    list: async () => (await admin.listTopics()).join(' '),
    configs: async name => {
      const answer = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames: ['retention.ms'] }] })
      return answer.resources[0].configEntries[0].configValue
    },
    'broker-config': async () => {
      const configEntries = [{ name: 'log.cleaner.threads', value: '1' }]
      await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.BROKER, name: '1', configEntries }] })
    },
    acl: async name => {
      await admin.createAcls({
        acl: [{
          resourceType: AclResourceTypes.TOPIC, resourceName: name, resourcePatternType: ResourcePatternTypes.LITERAL,
          principal: 'User:alice', host: '*', operation: AclOperationTypes.READ, permissionType: AclPermissionTypes.ALLOW,
        }],
      })
    },
    reassign: async (name, partitions) => {
      const partitionAssignment = numbers(partitions).map(partition => ({ partition, replicas: [1] }))
      await admin.alterPartitionReassignments({ topics: [{ topic: name, partitionAssignment }] })
    },
    produce: async name => {
      const producer = kafka.producer({ allowAutoTopicCreation: false })
      await producer.connect()
      try {
        return (await producer.send({ topic: name, messages: [{ value: 'v' }] }))[0].baseOffset
      } finally {
        await producer.disconnect()
      }
    },
    join: (name, group) => read(kafka, name, group),
    transact: async (name, id) => {
      const producer = kafka.producer({ transactionalId: id, maxInFlightRequests: 1, idempotent: true })
      await producer.connect()
      await (await producer.transaction()).abort()
    },
  })
}

// Reads one record.
async function read(kafka, topic, groupId) {
  const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false })
  const crashed = new Promise((_, reject) => consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || reject(payload.error)))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const got = new Promise(resolve => consumer.run({ eachMessage: async () => resolve() }))
  await Promise.race([got, crashed])
  await consumer.disconnect()
}

admin(process.argv[2])
