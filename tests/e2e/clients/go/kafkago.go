package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// kafka-go has two ways of administration: a Client, and a Conn that sends older versions. A topic is created
// and deleted by both here: `create` and `delete` are the Client's, `create-old` and `delete-old` the Conn's.
func kafkaGoAdmin(bootstrap string) {
	client := &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: 5 * time.Second}
	verbs := map[string]verb{}
	kafkaGoTopics(verbs, client)
	kafkaGoOld(verbs, bootstrap)
	kafkaGoCluster(verbs, client)
	kafkaGoClients(verbs, client, bootstrap)
	serve(verbs)
}

func kafkaGoTopics(verbs map[string]verb, client *kafka.Client) {
	describe := func(ctx context.Context, topic string) (string, error) {
		r, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return "", err
		}
		return fmt.Sprint(len(r.Topics[0].Partitions)), r.Topics[0].Error
	}
	create := func(ctx context.Context, topic kafka.TopicConfig) error {
		r, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
		if err == nil {
			err = r.Errors[topic.Topic]
		}
		return err
	}
	verbs["create"] = func(ctx context.Context, a []string) (string, error) {
		if err := create(ctx, kafka.TopicConfig{Topic: a[0], NumPartitions: number(a[1]), ReplicationFactor: 1}); err != nil {
			return "", err
		}
		return describe(ctx, a[0])
	}
	verbs["create-on"] = func(ctx context.Context, a []string) (string, error) {
		topic := kafka.TopicConfig{Topic: a[0], NumPartitions: -1, ReplicationFactor: -1}
		for p := range number(a[1]) {
			topic.ReplicaAssignments = append(topic.ReplicaAssignments, kafka.ReplicaAssignment{Partition: p, Replicas: []int{1}})
		}
		return "", create(ctx, topic)
	}
	verbs["grow"] = func(ctx context.Context, a []string) (string, error) {
		topics := []kafka.TopicPartitionsConfig{{Name: a[0], Count: int32(number(a[1]))}}
		r, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: topics})
		if err == nil {
			err = r.Errors[a[0]]
		}
		return "", err
	}
	verbs["delete"] = func(ctx context.Context, a []string) (string, error) {
		r, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{a[0]}})
		if err == nil {
			err = r.Errors[a[0]]
		}
		return "", err
	}
	verbs["describe"] = func(ctx context.Context, a []string) (string, error) { return describe(ctx, a[0]) }
	verbs["list"] = func(ctx context.Context, _ []string) (string, error) {
		r, err := client.Metadata(ctx, &kafka.MetadataRequest{})
		if err != nil {
			return "", err
		}
		var names []string
		for _, topic := range r.Topics {
			names = append(names, topic.Name)
		}
		return strings.Join(names, " "), nil
	}
	verbs["configs"] = func(ctx context.Context, a []string) (string, error) {
		topic := kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: a[0], ConfigNames: []string{"retention.ms"}}
		r, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{topic}})
		if err != nil {
			return "", err
		}
		if r.Resources[0].Error != nil {
			return "", r.Resources[0].Error
		}
		return r.Resources[0].ConfigEntries[0].ConfigValue, nil
	}
}

func kafkaGoOld(verbs map[string]verb, bootstrap string) {
	verbs["create-old"] = func(_ context.Context, a []string) (string, error) {
		conn, err := kafka.Dial("tcp", bootstrap)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		err = conn.CreateTopics(kafka.TopicConfig{Topic: a[0], NumPartitions: number(a[1]), ReplicationFactor: 1})
		if err != nil {
			return "", err
		}
		partitions, err := conn.ReadPartitions(a[0])
		return fmt.Sprint(len(partitions)), err
	}
	verbs["delete-old"] = func(_ context.Context, a []string) (string, error) {
		conn, err := kafka.Dial("tcp", bootstrap)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		return "", conn.DeleteTopics(a[0])
	}
}

func kafkaGoCluster(verbs map[string]verb, client *kafka.Client) {
	verbs["broker-config"] = func(ctx context.Context, _ []string) (string, error) {
		broker := kafka.IncrementalAlterConfigsRequestResource{
			ResourceType: kafka.ResourceTypeBroker, ResourceName: "1",
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "log.cleaner.threads", Value: "1"}},
		}
		r, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{broker},
		})
		if err == nil {
			err = r.Resources[0].Error
		}
		return "", err
	}
	verbs["acl"] = func(ctx context.Context, a []string) (string, error) {
		r, err := client.CreateACLs(ctx, &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: a[0], ResourcePatternType: kafka.PatternTypeLiteral,
			Principal: "User:alice", Host: "*", Operation: kafka.ACLOperationTypeRead, PermissionType: kafka.ACLPermissionTypeAllow,
		}}})
		if err == nil {
			err = errors.Join(r.Errors...)
		}
		return "", err
	}
	verbs["elect"] = func(ctx context.Context, a []string) (string, error) {
		var partitions []int
		for _, p := range numbers(a[1]) {
			partitions = append(partitions, int(p))
		}
		r, err := client.ElectLeaders(ctx, &kafka.ElectLeadersRequest{Topic: a[0], Partitions: partitions, Timeout: 5 * time.Second})
		if err != nil {
			return "", err
		}
		for _, p := range r.PartitionResults {
			if p.Error != nil && !errors.Is(p.Error, kafka.ElectionNotNeeded) {
				return "", p.Error
			}
		}
		return "", r.Error
	}
	verbs["reassign"] = func(ctx context.Context, a []string) (string, error) {
		req := &kafka.AlterPartitionReassignmentsRequest{Topic: a[0], Timeout: 5 * time.Second}
		for _, p := range numbers(a[1]) {
			req.Assignments = append(req.Assignments, kafka.AlterPartitionReassignmentsRequestAssignment{PartitionID: int(p), BrokerIDs: []int{1}})
		}
		r, err := client.AlterPartitionReassignments(ctx, req)
		if err != nil {
			return "", err
		}
		for _, p := range r.PartitionResults {
			if p.Error != nil {
				return "", p.Error
			}
		}
		return "", r.Error
	}
}

func kafkaGoClients(verbs map[string]verb, client *kafka.Client, bootstrap string) {
	verbs["produce"] = func(ctx context.Context, a []string) (string, error) {
		w := &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: a[0], BatchTimeout: time.Millisecond, MaxAttempts: 3, ErrorLogger: logger()}
		defer w.Close()
		return "", w.WriteMessages(ctx, kafka.Message{Value: []byte("v")})
	}
	verbs["join"] = func(ctx context.Context, a []string) (string, error) {
		r := kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{bootstrap}, Topic: a[0], GroupID: a[1], StartOffset: kafka.FirstOffset, ErrorLogger: logger(),
		})
		_, err := r.ReadMessage(ctx)
		return "", errors.Join(err, r.Close())
	}
	verbs["transact"] = func(ctx context.Context, a []string) (string, error) {
		r, err := client.InitProducerID(ctx, &kafka.InitProducerIDRequest{TransactionalID: a[1], TransactionTimeoutMs: 60000})
		if err == nil {
			err = r.Error
		}
		return "", err
	}
}
