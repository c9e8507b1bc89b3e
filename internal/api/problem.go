package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
)

// problem is an error of the API. It implements huma.StatusError.
type problem wire.Problem

// Error implements error.
func (p *problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// Schema implements huma.SchemaProvider: a problem is described as wire's.
func (p *problem) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[wire.Problem](), true, "Problem")
}

func (p *problem) encode(w io.Writer) {
	if p.Type == "" {
		p.Type = "about:blank"
	}
	if err := json.NewEncoder(w).Encode((*wire.Problem)(p)); err != nil {
		return // the caller is gone
	}
}

func (p *problem) write(ctx context.Context, w http.ResponseWriter) {
	p.RequestID = requestIDOf(ctx)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	p.encode(w)
}

func requestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// statusOf maps each kind of error to its status, once.
func statusOf(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Upstream, fault.Unavailable:
		return http.StatusBadGateway
	case fault.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// problemOf returns err as people may see it, and logs it whole when it is a
// fault of ours.
func (s *server) problemOf(ctx context.Context, err error) *problem {
	f := fault.Public(err)
	switch {
	case f.Kind != fault.Internal:
	case ctx.Err() != nil:
		s.Log.InfoContext(ctx, "request given up by its caller", "request_id", requestIDOf(ctx))
	default:
		s.Log.ErrorContext(ctx, "request failed", "request_id", requestIDOf(ctx), "error", err)
	}
	status := statusOf(f.Kind)
	p := &problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: f.Message, Code: f.Code,
		RequestID: requestIDOf(ctx), Upstream: f.Detail,
	}
	if f.Hint != "" {
		p.NextSteps = []string{f.Hint}
	}
	for _, field := range f.Fields() {
		p.Errors = append(p.Errors, wire.ProblemField{
			Pointer: field.Field, Code: field.Code, Detail: field.Message,
			File: field.Place.File, Line: field.Place.Line, Column: field.Place.Column, Message: field.Place.Text,
		})
	}
	return p
}

// ourError turns an error of huma's into a problem. What was submitted is left
// out of it: it may be a secret.
func ourError(ctx context.Context, status int, msg string, errs []error) *problem {
	p := &problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: msg, Code: "bad_request", RequestID: requestIDOf(ctx),
	}
	if status == http.StatusInternalServerError {
		p.Detail, p.Code = fault.Public(errors.New("huma")).Message, "internal"
		return p
	}
	for _, err := range errs {
		detail := wire.ProblemField{Detail: "not as described"}
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			detail.Pointer, detail.Detail = trimBody(d.Location), d.Message
		} else if status == http.StatusUnprocessableEntity || status == http.StatusBadRequest {
			detail.Detail = "the body is not the JSON that is described at /api/openapi.json"
		}
		p.Errors = append(p.Errors, detail)
	}
	if len(p.Errors) > 0 && status == http.StatusUnprocessableEntity {
		p.Detail = "The request is not as the API describes it: " + p.Errors[0].Pointer + " " + p.Errors[0].Detail + "."
	}
	return p
}

// trimBody shortens huma's location of a field to ours.
func trimBody(location string) string {
	if rest, ok := strings.CutPrefix(location, "body."); ok {
		return rest
	}
	return location
}

// brokenAudit returns where the audit log does not hold, if err says so.
func brokenAudit(err error) (*audit.BrokenError, bool) { return errors.AsType[*audit.BrokenError](err) }
