package workflow

import (
	"encoding/json"
	"strings"
	"testing"
)

// What is called like a secret, and what only speaks of one.
func TestSecretName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"password", "userPassword", "PASSWD", "token", "accessToken", "refresh_token", "tokens", "secret", "client-secret", "credentials", "privateKey", "api_key", "X-Api-Key",
		"Authorization", "proxy-authorization", "X-Tableau-Auth", "pat", "PAT", "my_pat", "patSecret", "pwd", "dbPwd", "passphrase", "jwt", "cookie", "Set-Cookie",
	} {
		if !secretName(name) {
			t.Errorf("%s is no secret", name)
		}
	}
	for _, name := range []string{
		"path", "patch", "pattern", "patient", "dispatch", "spatial", "author", "authSetting", "authType", "oauthClientId", "secretary", "name", "", "-",
		"tokenName", "pat_name", "tokenId", "tokenExpiresAt", "passwordExpires", "tokenCount", "tokenType", "compass", "bearing",
	} {
		if secretName(name) {
			t.Errorf("%s is a secret", name)
		}
	}
}

// Texts of people's lose what fields of JSON that are called like a secret hold,
// and nothing else.
func TestCleaned(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"user":"bo","password":"hunter2","n":1}`:                      `{"user":"bo","password":"[redacted]","n":1}`,
		`answer {"a":{"token" : "hunter2"}} and [{"secret":"hunter2"}]`: `answer {"a":{"token" : "[redacted]"}} and [{"secret":"[redacted]"}]`,
		`{"credentials":{"name":"x","site":{"v":"}hunter2"}},"b":[1]}`:  `{"credentials":"[redacted]","b":[1]}`,
		`{"tokens":["hunter2","b]"],"path":"/x"}`:                       `{"tokens":"[redacted]","path":"/x"}`,
		`{"a\"b":"c","pass\"word":"x","password":"hun\"ter2","z":0}`:    `{"a\"b":"c","pass\"word":"x","password":"[redacted]","z":0}`,
		`cut off: {"password":"hunter2`:                                 `cut off: {"password":"[redacted]"`,
		`cut off: {"credentials":{"a":"hunter2"`:                        `cut off: {"credentials":"[redacted]"`,
		`{"headers":{"Authorization":"Bearer hunter2"}}`:                `{"headers":{"Authorization":"[redacted]"}}`,
		"{\n  \"pat\": \"hunter2\"\n}":                                  "{\n  \"pat\": \"[redacted]\"\n}",
		// A field that is written as two:
		`{"key":"password","value":"hunter2"}`:                                 `{"key":"password","value":"[redacted]"}`,
		`{"name":"Authorization", "value" : "Bearer hunter2"},{"name":"x"}`:    `{"name":"Authorization", "value" : "[redacted]"},{"name":"x"}`,
		`[{"value":"hunter2","key":"api_key"},{"value":"x","key":"colour"}]`:   `[{"value":"[redacted]","key":"api_key"},{"value":"x","key":"colour"}]`,
		`{"Key":"clientSecret","Required":true,"n":1.5,"Value":"hunter2"}`:     `{"Key":"clientSecret","Required":true,"n":1.5,"Value":"[redacted]"}`,
		`{"value":"hunter2","about":{"a":["}"],"b":""},"name":"pwd"}`:          `{"value":"[redacted]","about":{"a":["}"],"b":""},"name":"pwd"}`,
		`{"name":"Set-Cookie","empty":"","values":["hunter2","a"]} end`:        `{"name":"Set-Cookie","empty":"","values":"[redacted]"} end`,
		"cut off: {\n \"key\": \"token\",\n \"value\": \"hunter2":              "cut off: {\n \"key\": \"token\",\n \"value\": \"[redacted]\"",
		`{"key":"colour","value":{"key":"token","value":"hunter2"},"v":1}`:     `{"key":"colour","value":{"key":"token","value":"[redacted]"},"v":1}`,
		`{"key":"token","value":{"key":"colour","value":"hunter2"},"v":"end"}`: `{"key":"token","value":"[redacted]","v":"end"}`,
		// As they are:
		`{"key":"colour","value":"token"}, {"name":"tokenName","value":"margay"}`: ``,
		`{"key":"password"},{"value":"shown: another object"}`:                    ``,
		`{"a":{"key":"password"},"value":"shown: one level up"}`:                  ``,
		`{"tokenCount":5,"token":null,"password":"","path":"/api/3.24/pat"}`:      ``,
		`The token of Ana is called "margay": it expires on Friday.`:              ``,
		`Set the password: "reset" is in the menu.`:                               ``,
		`TypeError: cannot read "token" of {}`:                                    ``,
		`"path": "/users", "pattern": "a*"`:                                       ``,
		`password=not JSON`:                                                       ``,
	} {
		if want == "" {
			want = text
		}
		if got := cleaned(text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
	if got := withoutSecrets(`{"z":"<a>","list":[{"name":"Authorization","value":"hunter2"},{"name":"Accept","value":"*"}],"token":"hunter2"}`); strings.Contains(got, "hunter2") ||
		!strings.Contains(got, `"<a>"`) || !strings.Contains(got, `"*"`) {
		t.Error(got)
	}
	for _, pair := range []string{`{"key":"password","value":"hunter2"}`, `[{"Value":["hunter2"],"Name":"X-Api-Key"}]`, `{"key":"pat","values":{"a":"hunter2"}}`} {
		if got := withoutSecrets(pair); strings.Contains(got, "hunter2") {
			t.Error(got)
		}
	}
	if text := `{"z":1.50,"path":"/x","a":"b"}`; withoutSecrets(text) != text {
		t.Errorf("%s is %s", text, withoutSecrets(text))
	}
	for _, hostile := range []string{`"token":["hunter2",`, `{"pat":{"a":"hunter2`, `{"key":"pat","value":{"a":"hunter2`} {
		if got := cleaned(strings.Repeat(hostile, 1<<12)); strings.Contains(got, "hunter2") {
			t.Errorf("%s … is %.200s", hostile, got)
		}
	}
}

// However a pair is written, cut off or broken: a secret is blanked in what is
// JSON, and nothing fails on what is not.
func FuzzCleaned(f *testing.F) {
	for _, seed := range []string{
		`{"key":"password","value":"hunter2"}`, `{"value":"a","x":[1,"]"],"name":"token"}`, `"value":"value":"key":"pat"`, `{"key":"pat","value":`, `{"name":"\"","value":"a"}`, `{"values":{"values":{`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cleaned(text) // whatever it is
		whole, err := json.Marshal(map[string]any{"n": 1, "x": text, "key": "password", "z": []any{text, nil}, "value": "hunter2"})
		if err != nil {
			t.Fatal(err)
		}
		if got := cleaned(string(whole)); strings.Contains(got, "hunter2") && !strings.Contains(text, "hunter2") && len(text) < 1<<12 {
			t.Errorf("%s is %s", whole, got)
		}
	})
}
