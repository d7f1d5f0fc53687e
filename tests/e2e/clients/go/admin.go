package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"
)

// verb does what one line of stdin says, for README.md's `admin`, and gives what stands behind "ok".
type verb func(ctx context.Context, args []string) (string, error)

// lastLine keeps the last line that a library has logged for a person to see, and passes all on to stderr.
type lastLine struct {
	mu   sync.Mutex
	text string
}

var logged lastLine

func (l *lastLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = strings.TrimSpace(string(p))
	return os.Stderr.Write(p)
}

func (l *lastLine) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text
	l.text = ""
	return text
}

// serve runs each verb of stdin beside itself, so that one that does not end holds up no other.
func serve(verbs map[string]verb) {
	giveUp := time.Duration(number(os.Getenv("GIVE_UP_S"))) * time.Second
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		logged.take()
		done := make(chan string, 1)
		go func() { done <- outcome(verbs[words[0]], words[1:]) }()
		select {
		case said := <-done:
			fmt.Println(strings.Join(strings.Fields(said), " "))
		case <-time.After(giveUp):
			fmt.Println("W", logged.take())
		}
	}
}

func outcome(run verb, args []string) string {
	if run == nil {
		return "none"
	}
	result, err := run(context.Background(), args)
	if err != nil {
		return fmt.Sprintf("E %T %v", err, err)
	}
	return "ok " + result
}

func numbers(text string) (all []int32) {
	for _, n := range strings.Split(text, ",") {
		all = append(all, int32(number(n)))
	}
	return all
}

func logger() *log.Logger { return log.New(&logged, "", 0) }
