package server

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// answering is how long a stop waits for calls of the API. It is shorter than
// drain: one slow caller must not take the time that runs have to finish.
const answering = 10 * time.Second

// stopServing lets calls under way be answered, and breaks off those that take
// longer.
func stopServing(ctx context.Context, web *http.Server) error {
	wait, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	err := web.Shutdown(wait)
	if errors.Is(err, context.DeadlineExceeded) {
		return web.Close()
	}
	return err
}
