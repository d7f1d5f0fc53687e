package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

func saramaAdmin(bootstrap string) {
	verbs := map[string]verb{}
	sarama.Logger = logger()
	adm, err := sarama.NewClusterAdmin([]string{bootstrap}, saramaAdminConfig())
	check(err)
	saramaTopics(verbs, adm)
	saramaCluster(verbs, adm)
	saramaClients(verbs, bootstrap)
	serve(verbs)
}

func saramaAdminConfig() *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.MaxVersion
	cfg.Net.ReadTimeout = 5 * time.Second
	saramaSecurity(cfg)
	return cfg
}

func saramaTopics(verbs map[string]verb, adm sarama.ClusterAdmin) {
	describe := func(topic string) (string, error) {
		found, err := adm.DescribeTopics([]string{topic})
		if err == nil && found[0].Err != sarama.ErrNoError {
			err = found[0].Err
		}
		if err != nil {
			return "", err
		}
		return fmt.Sprint(len(found[0].Partitions)), nil
	}
	verbs["create"] = func(_ context.Context, a []string) (string, error) {
		err := adm.CreateTopic(a[0], &sarama.TopicDetail{NumPartitions: int32(number(a[1])), ReplicationFactor: 1}, false)
		if err != nil {
			return "", err
		}
		return describe(a[0])
	}
	verbs["create-on"] = func(_ context.Context, a []string) (string, error) {
		assignment := map[int32][]int32{}
		for p := range number(a[1]) {
			assignment[int32(p)] = []int32{1}
		}
		return "", adm.CreateTopic(a[0], &sarama.TopicDetail{NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignment: assignment}, false)
	}
	verbs["grow"] = func(_ context.Context, a []string) (string, error) {
		return "", adm.CreatePartitions(a[0], int32(number(a[1])), nil, false)
	}
	verbs["delete"] = func(_ context.Context, a []string) (string, error) { return "", adm.DeleteTopic(a[0]) }
	verbs["delete-records"] = func(_ context.Context, a []string) (string, error) {
		offsets := map[int32]int64{}
		for _, p := range numbers(a[2]) {
			offsets[p] = int64(number(a[1]))
		}
		return "", adm.DeleteRecords(a[0], offsets)
	}
	verbs["describe"] = func(_ context.Context, a []string) (string, error) { return describe(a[0]) }
	verbs["list"] = func(context.Context, []string) (string, error) {
		found, err := adm.ListTopics()
		var names []string
		for name := range found {
			names = append(names, name)
		}
		sort.Strings(names)
		return strings.Join(names, " "), err
	}
	verbs["configs"] = func(_ context.Context, a []string) (string, error) {
		found, err := adm.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: a[0], ConfigNames: []string{"retention.ms"}})
		if err != nil {
			return "", err
		}
		return found[0].Value, nil
	}
}

func saramaCluster(verbs map[string]verb, adm sarama.ClusterAdmin) {
	verbs["broker-config"] = func(context.Context, []string) (string, error) {
		one := "1"
		entries := map[string]sarama.IncrementalAlterConfigsEntry{
			"log.cleaner.threads": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &one},
		}
		return "", adm.IncrementalAlterConfig(sarama.BrokerResource, "1", entries, false)
	}
	verbs["acl"] = func(_ context.Context, a []string) (string, error) {
		topic := sarama.Resource{ResourceType: sarama.AclResourceTopic, ResourceName: a[0], ResourcePatternType: sarama.AclPatternLiteral}
		return "", adm.CreateACL(topic, sarama.Acl{
			Principal: "User:alice", Host: "*", Operation: sarama.AclOperationRead, PermissionType: sarama.AclPermissionAllow,
		})
	}
	verbs["elect"] = func(_ context.Context, a []string) (string, error) {
		found, err := adm.ElectLeaders(sarama.PreferredElection, map[string][]int32{a[0]: numbers(a[1])})
		for _, r := range found[a[0]] {
			if err == nil && r.ErrorCode != sarama.ErrNoError && r.ErrorCode != sarama.ErrElectionNotNeeded {
				err = fmt.Errorf("%w: %s", r.ErrorCode, text(r.ErrorMessage))
			}
		}
		return "", err
	}
	verbs["reassign"] = func(_ context.Context, a []string) (string, error) {
		var assignment [][]int32
		for range numbers(a[1]) {
			assignment = append(assignment, []int32{1})
		}
		return "", adm.AlterPartitionReassignments(a[0], assignment)
	}
	verbs["features"] = func(context.Context, []string) (string, error) {
		results, err := adm.UpdateFeatures([]sarama.FeatureUpdate{{Feature: "group.version", MaxVersionLevel: 1, AllowDowngrade: true}})
		for _, r := range results {
			if err == nil && r.ErrorCode != sarama.ErrNoError {
				err = fmt.Errorf("%w: %s", r.ErrorCode, text(r.ErrorMessage))
			}
		}
		return "", err
	}
}

func text(words *string) string {
	if words == nil {
		return ""
	}
	return *words
}

func saramaClients(verbs map[string]verb, bootstrap string) {
	verbs["produce"] = func(_ context.Context, a []string) (string, error) {
		cfg := saramaAdminConfig()
		cfg.Producer.Return.Successes = true
		producer, err := sarama.NewSyncProducer([]string{bootstrap}, cfg)
		if err != nil {
			return "", err
		}
		defer producer.Close()
		_, offset, err := producer.SendMessage(&sarama.ProducerMessage{Topic: a[0], Value: sarama.StringEncoder("v")})
		return fmt.Sprint(offset), err
	}
	verbs["join"] = func(ctx context.Context, a []string) (string, error) { return saramaJoin(ctx, bootstrap, a[0], a[1]) }
	verbs["transact"] = func(_ context.Context, a []string) (string, error) {
		cfg := saramaAdminConfig()
		cfg.Producer.Return.Successes = true
		cfg.Producer.Idempotent = true
		cfg.Producer.RequiredAcks = sarama.WaitForAll
		cfg.Producer.Transaction.ID = a[1]
		cfg.Net.MaxOpenRequests = 1
		producer, err := sarama.NewSyncProducer([]string{bootstrap}, cfg)
		if err != nil {
			return "", err
		}
		return "", producer.Close()
	}
}

// saramaJoin reads one record as a member of a group.
func saramaJoin(ctx context.Context, bootstrap, topic, group string) (string, error) {
	cfg := saramaAdminConfig()
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	member, err := sarama.NewConsumerGroup([]string{bootstrap}, group, cfg)
	if err != nil {
		return "", err
	}
	defer member.Close()
	return "", member.Consume(ctx, []string{topic}, &saramaOne{})
}

// saramaOne ends its session with the first record.
type saramaOne struct{}

func (*saramaOne) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*saramaOne) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (*saramaOne) ConsumeClaim(_ sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	<-claim.Messages()
	return nil
}
