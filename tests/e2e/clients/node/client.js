// Client program on kafkajs, spoken to as ../README.md says.
//   client.js produce <bootstrap> <topic> <partitions> <count> <codec> <idempotent 0|1> <run> [pause]
//   client.js consume <bootstrap> <topic> <partition> <read committed 0|1> <max partition bytes or 0>
//   client.js group <bootstrap> <topic> <group> <assignor> <instance or -> <auto|manual>
//   client.js pattern <bootstrap> <regex> <group>
'use strict'
const fs = require('fs')
const readline = require('readline')
const { Kafka, logLevel, CompressionTypes, CompressionCodecs, AssignerProtocol } = require('kafkajs')
const lz4 = require('lz4js')
const xxhash = require('lz4js/xxh32.js')

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')

// Brokers want the frame's flag for independent blocks, which lz4js leaves out. A batch under 4 MiB is one
// block, and so independent: set the flag, and the checksum of the frame's descriptor anew.
function lz4Frame(data) {
  const frame = Buffer.from(lz4.compress(data))
  frame[4] |= 0x20
  frame[6] = (xxhash.hash(0, frame, 4, 2) >> 8) & 0xff
  return frame
}
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4Frame(encoder.buffer),
  decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
})
const zstd = new Promise(resolve => require('zstd-codec').ZstdCodec.run(z => resolve(new z.Simple())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async buffer => Buffer.from((await zstd).decompress(buffer)),
})
const CODECS = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }

const say = line => process.stdout.write(line + '\n')
const logCreator = () => ({ level, log }) => { if (level <= logLevel.WARN) console.error(log.message, log.error || '') }
const connect = bootstrap => new Kafka({ clientId: 'e2e', brokers: [bootstrap], logLevel: logLevel.WARN, logCreator, ...security() })

// From the environment variables of ../README.md.
function security() {
  const { SECURITY_PROTOCOL: protocol = 'PLAINTEXT', SASL_MECHANISM, SASL_USERNAME, SASL_PASSWORD, SASL_TOKEN_FILE } = process.env
  const { SSL_CA_FILE, SSL_CERTIFICATE_FILE, SSL_KEY_FILE } = process.env
  const read = file => file && fs.readFileSync(file, 'utf8').trim()
  const settings = {}
  if (protocol.startsWith('SASL_')) {
    const oauthBearerProvider = async () => ({ value: read(SASL_TOKEN_FILE) })
    settings.sasl = { mechanism: SASL_MECHANISM, username: SASL_USERNAME, password: SASL_PASSWORD, oauthBearerProvider }
    settings.reauthenticationThreshold = 1000 // sessions of a test are shorter than the default of 10 s
  }
  if (protocol.endsWith('SSL')) settings.ssl = { ca: read(SSL_CA_FILE), cert: read(SSL_CERTIFICATE_FILE), key: read(SSL_KEY_FILE) }
  return settings
}

// send() acknowledges a partition with the offset of its first record. The other records' offsets follow from
// that one: the broker appends the records of one partition of one request without a gap.
async function produce(bootstrap, topic, partitions, count, codec, idempotent, run, pause = 0) {
  const producer = connect(bootstrap).producer({ idempotent: idempotent === '1', maxInFlightRequests: 1 })
  await producer.connect()
  const perSend = +pause ? 1 : 10
  for (let first = 0; first < +count; first += perSend) {
    const values = new Map()
    const messages = []
    for (let seq = first; seq < Math.min(first + perSend, +count); seq++) {
      for (let v = 0; v < +partitions; v++) {
        const value = `${run}-${v}-${seq}`
        messages.push({ partition: v, key: value, value })
        values.set(v, [...(values.get(v) || []), value])
      }
    }
    const acks = await producer.send({ topic, messages, acks: -1, compression: CompressionTypes[CODECS[codec]] })
    for (const { partition, baseOffset } of acks) {
      values.get(partition).forEach((value, i) => say(`A ${partition} ${BigInt(baseOffset) + BigInt(i)} ${value}`))
    }
    if (+pause) await new Promise(resolve => setTimeout(resolve, +pause))
  }
  await producer.disconnect()
  say('END')
}

// An assignor for a group of one that hands it a single partition.
const only = (topic, partition) => () => ({
  name: 'only',
  version: 1,
  assign: async ({ members }) => members.map(({ memberId }) => ({
    memberId,
    memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 1, assignment: { [topic]: [partition] }, userData: Buffer.alloc(0) }),
  })),
  protocol: ({ topics }) => ({ name: 'only', metadata: AssignerProtocol.MemberMetadata.encode({ version: 1, topics, userData: Buffer.alloc(0) }) }),
})

async function read(bootstrap, topic, partition, committed, maxBytes) {
  const consumer = connect(bootstrap).consumer({
    groupId: `e2e-${process.pid}-${Date.now()}-${partition}`,
    readUncommitted: committed !== '1',
    partitionAssigners: [only(topic, partition)],
    maxWaitTimeInMs: 300,
    ...(maxBytes !== '0' ? { maxBytesPerPartition: +maxBytes } : {}),
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  say(`S ${partition}`)
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => say(`R ${partition} ${message.offset} ${message.value}`),
  })
  return consumer
}

async function consume(bootstrap, topic, partition, committed, maxBytes) {
  let consumer = await read(bootstrap, topic, +partition, committed, maxBytes)
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [nextTopic, nextPartition] = line.split(' ')
    await consumer.disconnect()
    consumer = await read(bootstrap, nextTopic, +nextPartition, committed, maxBytes)
  }
  await consumer.disconnect()
}

// Its only assignor is roundrobin, and it knows no static members.
async function group(bootstrap, topic, groupId, assignor, instance, commit) {
  const consumer = connect(bootstrap).consumer({
    groupId, sessionTimeout: 6000, rebalanceTimeout: 10000, heartbeatInterval: 500, maxWaitTimeInMs: 300,
  })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => say(`G ${(payload.memberAssignment[topic] || []).join()}`))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const show = ({ partition, message }) => say(`R ${partition} ${message.offset} ${message.value}`)
  const manual = async ({ batch }) => {
    batch.messages.forEach(message => show({ partition: batch.partition, message }))
    await consumer.commitOffsets([{ topic, partition: batch.partition, offset: String(BigInt(batch.lastOffset()) + 1n) }])
    say('C')
  }
  await consumer.run(commit === 'auto' ? { autoCommitInterval: 500, eachMessage: show } : { autoCommit: false, eachBatch: manual })
  for await (const _ of process.stdin);
  await consumer.disconnect()
  say('END')
}

async function pattern(bootstrap, regex, groupId) {
  const kafka = connect(bootstrap)
  const admin = kafka.admin()
  await admin.connect()
  for (const topic of await admin.listTopics()) say(`T ${topic}`)
  await admin.disconnect()
  say('L')
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 300 })
  await consumer.connect()
  await consumer.subscribe({ topic: new RegExp(regex), fromBeginning: true })
  await consumer.run({ eachMessage: async ({ partition, message }) => say(`R ${partition} ${message.offset} ${message.value}`) })
  for await (const _ of process.stdin);
  await consumer.disconnect()
  say('END')
}

const [command, ...args] = process.argv.slice(2)
const commands = { produce, consume, group, pattern }
commands[command](...args).then(() => process.exit(0), e => { console.error(e); process.exit(1) })
