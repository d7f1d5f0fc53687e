// Client programs on franz-go, sarama, and (admin only) kafka-go, spoken to as clients/README.md says.
//
//	client franz|sarama produce <bootstrap> <topic> <partitions> <count> <codec> <idempotent 0|1> <run> [pause]
//	client franz|sarama consume <bootstrap> <topic> <partition> <read committed 0|1> <max partition bytes or 0>
//	client franz|sarama group <bootstrap> <topic> <group> <assignor> <instance or -> <auto|manual>
//	client franz|sarama pattern <bootstrap> <regex> <group>
//	client franz|sarama|kafka-go admin <bootstrap>
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// out is shared by the callbacks of a producer's partitions. The callback that wrote the last line of a burst
// flushes it.
var (
	out   = bufio.NewWriterSize(os.Stdout, 1<<16)
	outMu sync.Mutex
)

func say(format string, args ...any) {
	outMu.Lock()
	defer outMu.Unlock()
	fmt.Fprintf(out, format+"\n", args...)
}

func flush() {
	outMu.Lock()
	defer outMu.Unlock()
	out.Flush()
}

type produceArgs struct {
	bootstrap, topic, codec, run string
	partitions, count            int
	idempotent                   bool
	pause                        time.Duration
}

type consumeArgs struct {
	bootstrap     string
	first         assignment
	readCommitted bool
	maxBytes      int32
}

type assignment struct {
	topic     string
	partition int32
}

// assignments yields the one of the command line, then one for each line of stdin, and is closed with stdin.
func assignments(first assignment) <-chan assignment {
	c := make(chan assignment, 1)
	c <- first
	go func() {
		defer close(c)
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			words := strings.Fields(in.Text())
			c <- assignment{words[0], int32(number(words[1]))}
		}
	}()
	return c
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		flush()
		log.Fatal(err)
	}
}

func main() {
	a := os.Args[3:]
	switch library, command := os.Args[1], os.Args[2]; command {
	case "produce":
		p := produceArgs{bootstrap: a[0], topic: a[1], partitions: number(a[2]), count: number(a[3]), codec: a[4], idempotent: a[5] == "1", run: a[6]}
		if len(a) > 7 {
			p.pause = time.Duration(number(a[7])) * time.Millisecond
		}
		map[string]func(produceArgs){"franz": franzProduce, "sarama": saramaProduce}[library](p)
		say("END")
		flush()
	case "consume":
		c := consumeArgs{bootstrap: a[0], first: assignment{a[1], int32(number(a[2]))}, readCommitted: a[3] == "1", maxBytes: int32(number(a[4]))}
		map[string]func(consumeArgs){"franz": franzConsume, "sarama": saramaConsume}[library](c)
	case "group":
		g := groupArgs{bootstrap: a[0], topic: a[1], group: a[2], assignor: a[3], autoCommit: a[5] == "auto"}
		map[string]func(groupArgs){"franz": franzGroup, "sarama": saramaGroup}[library](g)
		say("END")
		flush()
	case "pattern":
		map[string]func(patternArgs){"franz": franzPattern, "sarama": saramaPattern}[library](patternArgs{a[0], a[1], a[2]})
		say("END")
		flush()
	case "admin":
		map[string]func(string){"franz": franzAdmin, "sarama": saramaAdmin, "kafka-go": kafkaGoAdmin}[library](a[0])
	default:
		log.Fatalf("unknown command %q", command)
	}
}
