package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
)

// maxItem bounds one item of a list.
const maxItem = 4 << 20

// Pages reads a whole list of the system's API and gives take its items one by
// one, as they came. It returns take's error, or a problem that ended the list
// early: what came before it is not the whole list.
func (c *Client) Pages(ctx context.Context, connection string, in wire.Call, take func(item json.RawMessage) error) error {
	body, err := c.open(ctx, http.MethodPost, "/connections/"+url.PathEscape(connection)+"/pages", nil, in)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
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
