package api

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/idempotency"
	"github.com/margay-access/margay/internal/identity"
)

const (
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotency-Replayed"
	maxKept        = 64 << 10 // a larger answer is not kept
)

// answersNotKept are operations whose answers hold what another system said: it
// may be a secret, and it may be large.
var answersNotKept = map[string]bool{"call": true, "read-pages": true}

// shownOnce are the fields that hold a secret which is shown once: the answer
// is kept without them.
var shownOnce = map[string]string{"create-token": "value", makeSignInLink: "url", "add-webhook": "secret", "rotate-webhook": "secret"}

// once makes a POST with an Idempotency-Key one act however often it is sent.
func (s *server) once(ctx huma.Context, next func(huma.Context)) {
	key := ctx.Header(keyHeader)
	if ctx.Method() != http.MethodPost || key == "" {
		next(ctx)
		return
	}
	if err := idempotency.CheckKey(key); err != nil {
		s.refuse(ctx, err)
		return
	}
	who, ok := ctx.Context().Value(actorKey{}).(identity.Actor)
	if !ok {
		s.refuse(ctx, errors.New("a call with an Idempotency-Key came without an actor"))
		return
	}
	body, err := io.ReadAll(ctx.BodyReader())
	if err != nil {
		s.refuseUnread(ctx, err)
		return
	}
	u := ctx.URL()
	c := idempotency.Call{
		Caller: who.Via, Route: ctx.Method() + " " + u.RequestURI(), Key: key, Body: hashBody(ctx.Header("Authorization"), body),
		State: idempotency.Running, At: s.Now(),
	}
	kept, begun, err := s.Calls.BeginCall(ctx.Context(), c, c.At.Add(-idempotency.KeepFor))
	switch {
	case err != nil:
		s.refuse(ctx, err)
	case begun:
		s.runOnce(ctx, c, body, next)
	default:
		s.replay(ctx, c, kept)
	}
}

// refuseUnread answers a call whose body could not be read.
func (s *server) refuseUnread(ctx huma.Context, err error) {
	p := ourError(ctx.Context(), http.StatusBadRequest, "The request could not be read.", nil)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		p = ourError(ctx.Context(), http.StatusRequestEntityTooLarge, "The request is larger than 1 MiB.", nil)
	}
	ctx.SetHeader("Content-Type", "application/problem+json")
	ctx.SetStatus(p.Status)
	p.encode(ctx.BodyWriter())
}

// hashBody returns a hash that tells nothing without the token: a body may hold
// a secret.
func hashBody(authorization string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(authorization))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// runOnce runs the call and keeps its answer if anything can have been done. A
// call that breaks off stays begun: what it did is not known.
func (s *server) runOnce(ctx huma.Context, c idempotency.Call, body []byte, next func(huma.Context)) {
	rec := &recorder{inner: ctx, body: bytes.NewReader(body), status: http.StatusOK, header: map[string]string{}}
	next(rec)
	keep := context.WithoutCancel(ctx.Context()) // the caller may be gone: that is what the key is for
	var err error
	if rec.status >= 400 && rec.status < 500 {
		err = s.Calls.DropCall(keep, c) // nothing was done: asking again is harmless, and may go better
	} else {
		c.State, c.Status, c.Header = idempotency.Done, rec.status, rec.header
		c.Answer, c.Forgotten = keptAnswer(ctx.Operation().OperationID, rec.written.Bytes())
		err = s.Calls.EndCall(keep, c)
	}
	if err != nil {
		s.Log.ErrorContext(keep, "what came of a call with an Idempotency-Key was not kept", "error", err, "request_id", requestIDOf(keep))
	}
}

// keptAnswer returns what is kept of an answer, or that nothing is.
func keptAnswer(operation string, answer []byte) (kept string, forgotten bool) {
	if answersNotKept[operation] || len(answer) > maxKept {
		return "", true
	}
	field, secret := shownOnce[operation]
	if !secret {
		return string(answer), false
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(answer, &object) != nil {
		return "", true // better nothing than a secret
	}
	delete(object, field)
	text, err := json.Marshal(object)
	return string(text), err != nil
}

// replay answers a call that was made before.
func (s *server) replay(ctx huma.Context, c, kept idempotency.Call) {
	if err := idempotency.Again(kept, c); err != nil {
		switch fault.Public(err).Code {
		case idempotency.CodeRunning:
			ctx.SetHeader("Retry-After", "1")
		case idempotency.CodeNotKept:
			ctx.SetHeader(replayedHeader, "true")
		}
		s.refuse(ctx, err)
		return
	}
	for name, value := range kept.Header {
		ctx.SetHeader(name, value)
	}
	ctx.SetHeader(replayedHeader, "true")
	ctx.SetStatus(kept.Status)
	_, _ = io.WriteString(ctx.BodyWriter(), kept.Answer) // the caller may be gone
}

// inner is the context under another name: huma's has a method Context.
type inner = huma.Context

// recorder passes an answer on and keeps a copy of it.
type recorder struct {
	inner
	body    io.Reader
	status  int
	header  map[string]string
	written bytes.Buffer
}

// BodyReader implements huma.Context with the body that was read.
func (r *recorder) BodyReader() io.Reader { return r.body }

// SetStatus implements huma.Context.
func (r *recorder) SetStatus(code int) {
	r.status = code
	r.inner.SetStatus(code)
}

// SetHeader implements huma.Context.
func (r *recorder) SetHeader(name, value string) {
	if name := http.CanonicalHeaderKey(name); name == "Content-Type" || name == "Location" || name == "Etag" {
		r.header[name] = value
	}
	r.inner.SetHeader(name, value)
}

// BodyWriter implements huma.Context.
func (r *recorder) BodyWriter() io.Writer { return copied{r} }

type copied struct{ *recorder }

func (c copied) Write(b []byte) (int, error) {
	if c.written.Len() <= maxKept {
		c.written.Write(b)
	}
	return c.inner.BodyWriter().Write(b)
}
