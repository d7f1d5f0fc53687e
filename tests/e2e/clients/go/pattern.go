package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"regexp"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type patternArgs struct {
	bootstrap, pattern, group string
}

func franzPattern(p patternArgs) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(p.bootstrap), kgo.ConsumerGroup(p.group), kgo.ConsumeRegex(), kgo.ConsumeTopics(p.pattern),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(300 * time.Millisecond),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)),
	}
	c, err := kgo.NewClient(append(opts, franzSecurity()...)...)
	check(err)
	defer c.Close()
	listed, err := kmsg.NewPtrMetadataRequest().RequestWith(context.Background(), c) // no topics: all topics
	check(err)
	for _, topic := range listed.Topics {
		say("T %s", *topic.Topic)
	}
	say("L")
	flush()
	for ctx := untilStdinEnds(); ctx.Err() == nil; flush() {
		f := c.PollFetches(ctx)
		f.EachError(func(t string, p int32, e error) { fmt.Fprintln(os.Stderr, "error:", t, p, e) })
		f.EachRecord(func(r *kgo.Record) { say("R %d %d %s", r.Partition, r.Offset, r.Value) })
	}
}

// saramaPattern picks the topics itself: sarama subscribes to names only.
func saramaPattern(p patternArgs) {
	cfg := saramaConfig()
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	cfg.Consumer.MaxWaitTime = 300 * time.Millisecond
	client, err := sarama.NewClient([]string{p.bootstrap}, cfg)
	check(err)
	defer client.Close()
	topics, err := client.Topics()
	check(err)
	var wanted []string
	for _, topic := range topics {
		say("T %s", topic)
		if regexp.MustCompile(p.pattern).MatchString(topic) {
			wanted = append(wanted, topic)
		}
	}
	say("L")
	flush()
	member, err := sarama.NewConsumerGroupFromClient(p.group, client)
	check(err)
	for ctx := untilStdinEnds(); ctx.Err() == nil; {
		if err := member.Consume(ctx, wanted, saramaMember{groupArgs{autoCommit: true}}); err != nil {
			log.Println("error:", err)
		}
	}
	check(member.Close())
}
