package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig() *sarama.Config {
	sarama.Logger = log.New(os.Stderr, "", 0)
	cfg := sarama.NewConfig()
	cfg.Version = sarama.MaxVersion
	saramaSecurity(cfg)
	return cfg
}

func saramaProduce(p produceArgs) {
	cfg := saramaConfig()
	cfg.Producer.RequiredAcks = sarama.WaitForAll
	cfg.Producer.Partitioner = sarama.NewManualPartitioner
	cfg.Producer.Return.Successes = true
	cfg.Producer.Flush.Frequency = 20 * time.Millisecond
	cfg.Producer.Compression = map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}[p.codec]
	if p.idempotent {
		cfg.Producer.Idempotent = true
		cfg.Net.MaxOpenRequests = 1
	}
	producer, err := sarama.NewAsyncProducer([]string{p.bootstrap}, cfg)
	check(err)
	go func() {
		for seq := 0; seq < p.count; seq++ {
			for v := 0; v < p.partitions; v++ {
				value := fmt.Sprintf("%s-%d-%d", p.run, v, seq)
				producer.Input() <- &sarama.ProducerMessage{
					Topic: p.topic, Partition: int32(v), Key: sarama.StringEncoder(value), Value: sarama.StringEncoder(value),
				}
			}
			time.Sleep(p.pause)
		}
	}()
	for left := p.partitions * p.count; left > 0; left-- {
		select {
		case m := <-producer.Successes():
			say("A %d %d %s", m.Partition, m.Offset, m.Value)
		case e := <-producer.Errors():
			say("E %d %v", e.Msg.Partition, e.Err)
		}
	}
	check(producer.Close())
}

func saramaConsume(a consumeArgs) {
	cfg := saramaConfig()
	cfg.Consumer.Return.Errors = true
	cfg.Consumer.MaxWaitTime = 300 * time.Millisecond
	if a.maxBytes > 0 {
		cfg.Consumer.Fetch.Default = a.maxBytes
	}
	if a.readCommitted {
		cfg.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	consumer, err := sarama.NewConsumer([]string{a.bootstrap}, cfg)
	check(err)
	next := assignments(a.first)
	want, more := <-next
	for more {
		part, err := consumer.ConsumePartition(want.topic, want.partition, sarama.OffsetOldest)
		check(err)
		say("S %d", want.partition)
		want, more = saramaRead(part, next)
		check(part.Close())
	}
	check(consumer.Close())
}

// saramaRead prints what one partition delivers until the next assignment, or the end of them, comes.
func saramaRead(part sarama.PartitionConsumer, next <-chan assignment) (assignment, bool) {
	for {
		select {
		case m := <-part.Messages():
			say("R %d %d %s", m.Partition, m.Offset, m.Value)
		case e := <-part.Errors():
			fmt.Fprintln(os.Stderr, "error:", e)
		case a, more := <-next:
			flush()
			return a, more
		case <-time.After(20 * time.Millisecond):
			flush()
		}
	}
}
