package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

type groupArgs struct {
	bootstrap, topic, group, assignor string
	autoCommit                        bool
}

const (
	session   = 6 * time.Second
	heartbeat = time.Second
)

// untilStdinEnds is cancelled when the test closes stdin.
func untilStdinEnds() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}

func sayAssignment(partitions []int32) {
	sort.Slice(partitions, func(i, j int) bool { return partitions[i] < partitions[j] })
	say("G %s", strings.ReplaceAll(strings.Trim(fmt.Sprint(partitions), "[]"), " ", ","))
	flush()
}

// binaryMetadata is committed with sarama's offsets: brokers take bytes that are no UTF-8.
const binaryMetadata = "\xff\x00\x80\x90"

func franzGroup(g groupArgs) {
	balancer := map[string]kgo.GroupBalancer{
		"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(),
		"sticky": kgo.StickyBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer(),
	}[g.assignor]
	opts := []kgo.Opt{
		kgo.SeedBrokers(g.bootstrap), kgo.ConsumerGroup(g.group), kgo.ConsumeTopics(g.topic), kgo.Balancers(balancer),
		kgo.SessionTimeout(session), kgo.HeartbeatInterval(heartbeat), kgo.RebalanceTimeout(20 * time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(300 * time.Millisecond), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, assigned map[string][]int32) { sayAssignment(assigned[g.topic]) }),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)),
	}
	if g.autoCommit {
		opts = append(opts, kgo.AutoCommitInterval(500*time.Millisecond), kgo.AutoCommitMarks())
	} else {
		opts = append(opts, kgo.DisableAutoCommit())
	}
	c, err := kgo.NewClient(append(opts, franzSecurity()...)...)
	check(err)
	defer c.CloseAllowingRebalance()
	for ctx := untilStdinEnds(); ctx.Err() == nil; c.AllowRebalance() {
		f := c.PollRecords(ctx, 500)
		f.EachRecord(func(r *kgo.Record) { say("R %d %d %s", r.Partition, r.Offset, r.Value) })
		flush()
		if f.NumRecords() == 0 {
			continue
		}
		if g.autoCommit {
			c.MarkCommitRecords(f.Records()...)
		} else if err := c.CommitRecords(context.Background(), f.Records()...); err != nil {
			fmt.Fprintln(os.Stderr, "commit:", err)
		} else {
			say("C")
		}
	}
	if g.autoCommit {
		check(c.CommitMarkedOffsets(context.Background()))
	}
}

// saramaMember prints and commits what each claimed partition delivers.
type saramaMember struct{ groupArgs }

func (m saramaMember) Setup(s sarama.ConsumerGroupSession) error {
	sayAssignment(append([]int32(nil), s.Claims()[m.topic]...))
	return nil
}

func (m saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m saramaMember) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-s.Context().Done():
			return nil
		case r, more := <-claim.Messages():
			if !more {
				return nil
			}
			last := r
			say("R %d %d %s", r.Partition, r.Offset, r.Value)
			for n := len(claim.Messages()); n > 0; n-- {
				if r, more = <-claim.Messages(); more {
					last = r
					say("R %d %d %s", r.Partition, r.Offset, r.Value)
				}
			}
			flush()
			s.MarkMessage(last, binaryMetadata)
			if !m.autoCommit {
				s.Commit()
				say("C")
			}
		}
	}
}

func saramaGroup(g groupArgs) {
	cfg := saramaConfig()
	cfg.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{map[string]sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange(), "roundrobin": sarama.NewBalanceStrategyRoundRobin(),
		"sticky": sarama.NewBalanceStrategySticky(),
	}[g.assignor]}
	cfg.Consumer.Group.Session.Timeout = session
	cfg.Consumer.Group.Heartbeat.Interval = heartbeat
	cfg.Consumer.Group.Rebalance.Timeout = 20 * time.Second
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	cfg.Consumer.Offsets.AutoCommit.Enable = g.autoCommit
	cfg.Consumer.Offsets.AutoCommit.Interval = 500 * time.Millisecond
	cfg.Consumer.MaxWaitTime = 300 * time.Millisecond
	cfg.Consumer.Return.Errors = true
	member, err := sarama.NewConsumerGroup([]string{g.bootstrap}, g.group, cfg)
	check(err)
	go func() {
		for err := range member.Errors() {
			log.Println("error:", err)
		}
	}()
	for ctx := untilStdinEnds(); ctx.Err() == nil; {
		if err := member.Consume(ctx, []string{g.topic}, saramaMember{g}); err != nil {
			log.Println("error:", err)
		}
	}
	check(member.Close())
}
