// Package web is the web UI: pages that the server renders, forms that work
// without script, and live parts on top.
//
// It turns requests into calls of the services and their answers into HTML. It
// holds no rule: what it shows or hides, the services check again. The parts that
// pages share are in package ui, style and scripts in package assets, and the
// harness of browser tests in package webtest.
//
// # How to add a screen
//
// Say the screen is the list of runs and one run.
//
// 1. Routes and handlers, in a file of their own, runs.go. A handler returns
// what went wrong; the error page is made of the fault.
//
//	func (s *site) runPages() { // called in New
//		s.get("/runs", anyone, s.runs)
//		s.get("/runs/{id}", anyone, s.run)
//		s.post("/runs/{id}/retry", anyone, s.retryRun)
//	}
//
//	func (s *site) runs(r *Request) error {
//		runs, err := s.Workflows.Runs(r.Context(), r.Actor, workflow.RunFilter{Limit: pageRows})
//		if err != nil {
//			return err // 403, 404, 409 … with the fault's sentence, hint and the request's id
//		}
//		return r.Page(ui.Head{Title: "Runs"}, nil, runsView(runs))
//	}
//
//	func (s *site) retryRun(r *Request) error {
//		run, err := s.Workflows.Retry(r.Context(), r.Actor, r.Thing("id"))
//		if errs, ok := ui.ErrorsOf(err); ok { // of the form's fields
//			return r.PageAs(http.StatusUnprocessableEntity, head, nil, runView(run, errs))
//		}
//		if err != nil {
//			return err
//		}
//		return r.Done("/runs/"+run.ID, "The run is tried again.") // 303, and the page says so
//	}
//
// The actor goes into every call of a service. Use anyone or administrators to
// say who may open a page at all, or a func of your own. r.Value(name) is a field
// without outer blanks, r.Thing("id") a part of the address, r.Now the time.
// post runs a form with a form_key once, and goes on when the browser leaves.
//
// 2. The view, in runs.templ beside it; then `make generate`. The generated
// runs_templ.go is committed. There is no style attribute, no <style>, no inline
// script and no on… attribute: the Content-Security-Policy forbids them. Classes
// of Tailwind may be used freely; scripts/assets finds them. Take the parts of
// package ui:
//
//	templ runsView(runs []workflow.Run) {
//		@ui.LiveList("runs") {
//			@ui.Table("Runs", "State", "Workflow", "Started") {
//				for _, run := range runs {
//					<tr>
//						<td class="lead" data-label="State">@ui.Chip(runState(run.State))</td>
//						<td data-label="Workflow"><a class="row-link" href={ … }>{ run.Name }</a></td>
//						<td data-label="Started">@ui.Time(run.StartedAt)</td>
//					</tr>
//				}
//			}
//		}
//	}
//
// Forms: ui.Form, ui.Input, Textarea, Secret, Select, Choice, Checkbox, Submit,
// ui.ErrorSummary on top, Field.Error from Errors.Of(name). Others: ui.Chip,
// Timeline, Facts, Panel, Empty, Note, ErrorBox, Trouble(err), Diff, Progress, Pager,
// Filters with Search, Copy, ID, CLI, Beta, Ask with AskPage for what cannot be
// undone. States get their word, icon and tone in states.go. Texts that others
// wrote stand in <bdi> and, in lists, in ui.Middle(text, 80).
//
// One primary button a page: the others have a variant ("outline").
//
// 3. The menu: a line in menu (nav.go). It appears for those who may open it.
//
// 4. A live part: wrap it in ui.Live("id"), or ui.LiveList("id") for lists, whose
// rows must not move under a hand. That is all: when something changed, the page
// is fetched again and the part exchanged. Inputs stay outside of it.
//
// 5. htmx (hx-get, hx-post, hx-target, hx-trigger; version 4: nothing is
// inherited without :inherited, and answers of 4xx are shown too) is for parts
// that come later than the page. r.Partial() says that a part is asked for;
// r.Render answers with a component alone. The page must work without.
//
// 6. A browser test, in runs_browser_test.go of package web_test:
//
//	func TestRunsPage(t *testing.T) {
//		w := webtest.Start(t)              // a node, a simulated Tableau, Ana (admin), Bo, Rita
//		w.Story()                          // a connection, an app, a policy, an active grant
//		b := w.SignIn("ana@acme.example")  // a browser
//		b.Open("/runs")
//		b.See("Provision User to Tableau")
//		b.Click("text=Retry")
//		b.Audit("runs")                    // axe in light and dark at 360 and 1280 px, no overflow, no error; screenshots
//	}
package web
