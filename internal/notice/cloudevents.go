package notice

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// cloudEvent returns the body of a delivery as CloudEvents 1.0 wants it in
// binary mode, and sets the headers that hold the rest.
func cloudEvent(h http.Header, d Delivery, source string) (string, error) {
	var m struct {
		Type      string          `json:"type"`
		Timestamp string          `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal([]byte(d.Body), &m); err != nil {
		return "", fmt.Errorf("read delivery %s: %w", d.ID, err)
	}
	if source == "" {
		source = "urn:margay"
	}
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": d.Message, "ce-source": source, "ce-type": "dev.margay." + m.Type, "ce-subject": d.Subject, "ce-time": m.Timestamp,
	} {
		h.Set(name, value)
	}
	return string(m.Data), nil
}
