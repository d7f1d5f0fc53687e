package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func franzAdmin(bootstrap string) {
	cl, err := franzClient(bootstrap)
	check(err)
	adm := kadm.NewClient(cl)
	verbs := map[string]verb{}
	franzTopics(verbs, adm)
	franzCluster(verbs, adm)
	franzClients(verbs, bootstrap)
	serve(verbs)
}

func franzClient(bootstrap string, opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(opts, kgo.SeedBrokers(bootstrap), kgo.RetryTimeout(5*time.Second),
		kgo.WithLogger(kgo.BasicLogger(&logged, kgo.LogLevelWarn, nil)))...)
}

// said is an error with the words that came with it.
func said(err error, message string) error {
	if err == nil || message == "" {
		return err
	}
	return &kadm.ErrAndMessage{Err: err, ErrMessage: message}
}

func franzTopics(verbs map[string]verb, adm *kadm.Client) {
	verbs["create"] = func(ctx context.Context, a []string) (string, error) {
		r, err := adm.CreateTopic(ctx, int32(number(a[1])), 1, nil, a[0])
		return fmt.Sprint(r.NumPartitions), said(err, r.ErrMessage)
	}
	verbs["grow"] = func(ctx context.Context, a []string) (string, error) {
		rs, err := adm.UpdatePartitions(ctx, number(a[1]), a[0])
		return "", errors.Join(err, said(rs[a[0]].Err, rs[a[0]].ErrMessage))
	}
	verbs["delete"] = func(ctx context.Context, a []string) (string, error) {
		r, err := adm.DeleteTopic(ctx, a[0])
		return "", said(err, r.ErrMessage)
	}
	verbs["delete-records"] = func(ctx context.Context, a []string) (string, error) {
		offsets := kadm.Offsets{}
		for _, p := range numbers(a[2]) {
			offsets.AddOffset(a[0], p, int64(number(a[1])), -1)
		}
		rs, err := adm.DeleteRecords(ctx, offsets)
		if err == nil {
			err = rs.Error()
		}
		return "", err
	}
	verbs["describe"] = func(ctx context.Context, a []string) (string, error) {
		ts, err := adm.ListTopics(ctx, a[0])
		if err == nil {
			err = ts[a[0]].Err
		}
		return fmt.Sprint(len(ts[a[0]].Partitions)), err
	}
	verbs["list"] = func(ctx context.Context, _ []string) (string, error) {
		ts, err := adm.ListTopics(ctx)
		return strings.Join(ts.Names(), " "), err
	}
	verbs["configs"] = func(ctx context.Context, a []string) (string, error) {
		rs, err := adm.DescribeTopicConfigs(ctx, a[0])
		if err != nil {
			return "", err
		}
		for _, c := range rs[0].Configs {
			if c.Key == "retention.ms" {
				return c.MaybeValue(), rs[0].Err
			}
		}
		return "", rs[0].Err
	}
}

func franzCluster(verbs map[string]verb, adm *kadm.Client) {
	verbs["broker-config"] = func(ctx context.Context, _ []string) (string, error) {
		rs, err := adm.AlterBrokerConfigs(ctx, []kadm.AlterConfig{{Name: "log.cleaner.threads", Value: kadm.StringPtr("1")}}, 1)
		if err == nil {
			err = said(rs[0].Err, rs[0].ErrMessage)
		}
		return "", err
	}
	verbs["acl"] = func(ctx context.Context, a []string) (string, error) {
		b := kadm.NewACLs().Topics(a[0]).Allow("User:alice").AllowHosts("*").Operations(kadm.OpRead).ResourcePatternType(kadm.ACLPatternLiteral)
		rs, err := adm.CreateACLs(ctx, b)
		if err == nil {
			err = said(rs[0].Err, rs[0].ErrMessage)
		}
		return "", err
	}
	verbs["elect"] = func(ctx context.Context, a []string) (string, error) {
		set := kadm.TopicsSet{}
		set.Add(a[0], numbers(a[1])...)
		rs, err := adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, set)
		for _, r := range rs[a[0]] {
			if r.Err != nil && !errors.Is(r.Err, kerr.ElectionNotNeeded) {
				err = said(r.Err, r.ErrMessage)
			}
		}
		return "", err
	}
	verbs["reassign"] = func(ctx context.Context, a []string) (string, error) {
		var req kadm.AlterPartitionAssignmentsReq
		for _, p := range numbers(a[1]) {
			req.Assign(a[0], p, []int32{1})
		}
		rs, err := adm.AlterPartitionAssignments(ctx, req)
		rs.Each(func(r kadm.AlterPartitionAssignmentsResponse) {
			if err == nil {
				err = said(r.Err, r.ErrMessage)
			}
		})
		return "", err
	}
	verbs["log-dir"] = func(ctx context.Context, a []string) (string, error) {
		var req kadm.AlterReplicaLogDirsReq
		set := kadm.TopicsSet{}
		set.Add(a[0], numbers(a[1])...)
		req.Add("/nowhere", set)
		rs, err := adm.AlterBrokerReplicaLogDirs(ctx, 1, req)
		rs.Each(func(r kadm.AlterReplicaLogDirsResponse) {
			if err == nil {
				err = r.Err
			}
		})
		return "", err
	}
	verbs["features"] = func(ctx context.Context, _ []string) (string, error) {
		rs, err := adm.UpdateFeatures(ctx, false, kadm.FeatureUpdate{Feature: "group.version", MaxVersionLevel: 1, UpgradeType: 2})
		if err == nil {
			err = rs.Error()
		}
		return "", err
	}
}

func franzClients(verbs map[string]verb, bootstrap string) {
	verbs["produce"] = func(ctx context.Context, a []string) (string, error) {
		cl, err := franzClient(bootstrap, kgo.UnknownTopicRetries(3), kgo.RecordDeliveryTimeout(5*time.Second))
		if err != nil {
			return "", err
		}
		defer cl.Close()
		r, err := cl.ProduceSync(ctx, &kgo.Record{Topic: a[0], Value: []byte("v")}).First()
		return fmt.Sprint(r.Offset), err
	}
	verbs["join"] = func(ctx context.Context, a []string) (string, error) {
		return franzPoll(ctx, bootstrap, kgo.ConsumeTopics(a[0]), kgo.ConsumerGroup(a[1]))
	}
	verbs["consumer-protocol"] = func(ctx context.Context, a []string) (string, error) {
		return franzPoll(ctx, bootstrap, kgo.ConsumeTopics(a[0]), kgo.ConsumerGroup(a[1]), kgo.ServerSideBalancer())
	}
	verbs["share"] = func(ctx context.Context, a []string) (string, error) {
		return franzPoll(ctx, bootstrap, kgo.ConsumeTopics(a[0]), kgo.ShareGroup(a[1]))
	}
	verbs["transact"] = func(ctx context.Context, a []string) (string, error) {
		cl, err := franzClient(bootstrap, kgo.TransactionalID(a[1]), kgo.UnknownTopicRetries(3))
		if err != nil {
			return "", err
		}
		defer cl.Close()
		// The producer's id is asked for here; a program would go on to BeginTransaction.
		_, _, err = cl.ProducerID(ctx)
		return "", err
	}
}

// franzPoll reads one record.
func franzPoll(ctx context.Context, bootstrap string, opts ...kgo.Opt) (string, error) {
	cl, err := franzClient(bootstrap, append(opts, kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		return "", err
	}
	defer cl.CloseAllowingRebalance()
	for {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil || fs.NumRecords() > 0 {
			return "", err
		}
	}
}
