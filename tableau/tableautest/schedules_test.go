package tableautest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/margay-access/margay/tableau/tableautest"
)

func TestSchedules(t *testing.T) {
	// ref: "2.3 jobs / tasks / schedules: 404023, 404026; 409021 schedule name"
	t.Parallel()
	s, boss := newSite(t, server)
	book := s.AddContent("workbook", "Book", boss)
	c := signedIn(t, s)
	var a struct {
		Schedule struct{ ID, State, Priority string }
	}
	const body = `{"schedule":{"name":"Nightly","type":"Extract","frequency":"Daily","priority":40}}`

	c.do(http.MethodPost, "/api/3.24/schedules", body).want(http.StatusCreated, "").decode(&a)
	c.do(http.MethodPost, "/api/3.24/schedules", strings.ToUpper(body[:12])+body[12:]).want(http.StatusBadRequest, "400000")
	c.do(http.MethodPost, "/api/3.24/schedules", strings.Replace(body, "Nightly", "NIGHTLY", 1)).want(http.StatusConflict, "409021")
	c.do(http.MethodPut, "/api/3.24/schedules/"+a.Schedule.ID, `{"schedule":{"state":"Suspended"}}`).want(http.StatusOK, "").decode(&a)
	if a.Schedule.State != "Suspended" || a.Schedule.Priority != "40" {
		t.Errorf("schedule %+v", a.Schedule)
	}
	var task struct {
		Task struct{ ExtractRefresh struct{ ID string } }
	}
	c.do(http.MethodPut, c.path("schedules/"+a.Schedule.ID+"/workbooks"), `{"task":{"extractRefresh":{"workbook":{"id":"`+book.ID()+`"}}}}`).
		want(http.StatusOK, "").decode(&task)
	id := task.Task.ExtractRefresh.ID
	for _, path := range []string{"tasks/extractRefreshes", "tasks/extractRefreshes/" + id, "schedules/" + a.Schedule.ID + "/extracts"} {
		if got := c.get(path).want(http.StatusOK, "").Body.String(); !strings.Contains(got, id) || !strings.Contains(got, book.ID()) {
			t.Errorf("%s: %s", path, got)
		}
	}
	c.do(http.MethodPost, c.path("tasks/extractRefreshes/"+id+"/runNow"), "{}").want(http.StatusOK, "")
	c.do(http.MethodDelete, c.path("tasks/extractRefreshes/"+id), "").want(http.StatusNoContent, "")
	c.get("tasks/extractRefreshes/"+id).want(http.StatusNotFound, "404026")
	c.do(http.MethodDelete, "/api/3.24/schedules/"+a.Schedule.ID, "").want(http.StatusNoContent, "")
	c.do(http.MethodGet, "/api/3.24/schedules/"+a.Schedule.ID, "").want(http.StatusNotFound, "404023")

	cloud, _ := newSite(t, tableautest.Config{})
	signedIn(t, cloud).do(http.MethodGet, "/api/3.24/schedules", "").want(http.StatusForbidden, "403004")
}
