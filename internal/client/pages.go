package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
)

// maxItem bounds one item of a list.
const maxItem = 4 << 20

// Pages reads a whole list of the system's API and gives take its items one by
// one, as they came. It returns take's error, or a problem that ended the list
// early: what came before it is not the whole list.
func (c *Client) Pages(ctx context.Context, connection string, in wire.Call, take func(item json.RawMessage) error) error {
	req, err := c.request(ctx, http.MethodPost, "/connections/"+url.PathEscape(connection)+"/pages", nil, in)
	if err != nil {
		return err
	}
	started := time.Now() //nolint:forbidigo // only the trace is told of it
	resp, err := c.http.Do(req)
	if err != nil {
		c.trace(req, nil, started)
		return c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	c.trace(req, resp, started)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return c.unreachable(ctx, err)
		}
		return c.problem(resp, body)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxItem)
	for lines.Scan() {
		if p, ok := problemIn(lines.Bytes()); ok {
			return &Error{Problem: p, kind: kindOf(p.Status)}
		}
		if err := take(bytes.Clone(lines.Bytes())); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return c.unreachable(ctx, err)
	}
	return nil
}

// problemIn reads the line that ends a list early. An item of the system's own
// never looks like it: its problem would have no Margay request id.
func problemIn(line []byte) (wire.Problem, bool) {
	if !bytes.HasPrefix(line, []byte(`{"problem":`)) {
		return wire.Problem{}, false
	}
	var last struct {
		Problem wire.Problem `json:"problem"`
	}
	err := json.Unmarshal(line, &last)
	return last.Problem, err == nil && last.Problem.RequestID != "" && kindOf(last.Problem.Status) != fault.Kind("")
}
