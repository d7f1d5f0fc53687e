package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func franzProduce(p produceArgs) {
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[p.codec]
	opts := []kgo.Opt{
		kgo.SeedBrokers(p.bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20 * time.Millisecond),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)),
	}
	if !p.idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	c, err := kgo.NewClient(append(opts, franzSecurity()...)...)
	check(err)
	defer c.Close()
	var acks sync.WaitGroup
	for seq := 0; seq < p.count; seq++ {
		for v := 0; v < p.partitions; v++ {
			value := []byte(fmt.Sprintf("%s-%d-%d", p.run, v, seq))
			acks.Add(1)
			c.Produce(context.Background(), &kgo.Record{Topic: p.topic, Partition: int32(v), Key: value, Value: value}, func(r *kgo.Record, err error) {
				defer acks.Done()
				if err != nil {
					say("E %d %v", r.Partition, err)
					return
				}
				say("A %d %d %s", r.Partition, r.Offset, r.Value)
			})
		}
		time.Sleep(p.pause)
	}
	acks.Wait()
}

func franzConsume(a consumeArgs) {
	next := assignments(a.first)
	var stop func()
	for want := range next {
		if stop != nil {
			stop()
		}
		stop = franzRead(a, want)
	}
	stop()
}

// franzRead reads one partition with a client of its own until the function it returns is called.
func franzRead(a consumeArgs, want assignment) func() {
	opts := []kgo.Opt{
		kgo.SeedBrokers(a.bootstrap), kgo.FetchMaxWait(300 * time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{want.topic: {want.partition: kgo.NewOffset().AtStart()}}),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)),
	}
	if a.maxBytes > 0 {
		opts = append(opts, kgo.FetchMaxPartitionBytes(a.maxBytes))
	}
	if a.readCommitted {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	c, err := kgo.NewClient(append(opts, franzSecurity()...)...)
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	say("S %d", want.partition)
	flush()
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			f := c.PollFetches(ctx)
			f.EachError(func(t string, p int32, e error) {
				if ctx.Err() == nil {
					fmt.Fprintln(os.Stderr, "error:", t, p, e)
				}
			})
			f.EachRecord(func(r *kgo.Record) { say("R %d %d %s", r.Partition, r.Offset, r.Value) })
			flush()
		}
	}()
	return func() { cancel(); <-done; c.Close() }
}
