package workflow

import (
	"encoding/json"
	"fmt"
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
		`{"value":"hunter2","about":{"a":["}"],"b":""`:                         `{"value":"[redacted]","about":{"a":["}"],"b":""`, // its name may be cut off
		`{"value":"hunter2","a":{"b":1}`:                                       `{"value":"[redacted]","a":{"b":1}`,
		`{"value":"hunter2","key":"pat…`:                                       `{"value":"[redacted]","key":"pat…`,
		`"key":"token","a":{"b":1},"value":"hunter2"}`:                         `"key":"token","a":{"b":1},"value":"[redacted]"}`,
		// Written in codes, as a number, and in strings:
		`{"p\u0061ssword":"hunter2","n":1}`:                    `{"p\u0061ssword":"[redacted]","n":1}`,
		`{"pwd":27182818,"n":1}`:                               `{"pwd":"[redacted]","n":1}`,
		`{"body":"{\"password\":\"hunter2\",\"n\":1}","n":1}`:  `{"body":"{\"password\":\"[redacted]\",\"n\":1}","n":1}`,
		`{"body":"{\"a\":\"{\\\"pwd\\\":\\\"hunter2\\\"}\"}"}`: `{"body":"{\"a\":\"{\\\"pwd\\\":\\\"[redacted]\\\"}\"}"}`,
		`{"body":"{\"password\":\"hunter2`:                     `{"body":"{\"password\":\"[redacted]\"`,
		`said "{\"token\" : [\"hunter2\"], \"n\": 1}" again`:   `said "{\"token\" : \"[redacted]\", \"n\": 1}" again`,
		`a 5" disk: {"password":"hunter2"}`:                    `a 5" disk: {"password":"[redacted]"}`,
		`{ oops {"password":"hunter2", "n":1} oops`:            `{ oops {"password":"[redacted]", "n":1} oops`,
		`\"password":"hunter2"`:                                `\"password":"[redacted]"`,
		// As they are:
		`{"value":"shown","key":"colour", "token`:                                 ``,
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

// Whatever stands before it, between and behind, wherever it is cut off and however
// often it is written within a string: what is called like a secret goes.
func FuzzCleaned(f *testing.F) {
	for i, seed := range []string{
		`{"key":"password","value":"hunter"}`, `{"value":"a","x":[1,"]"],"name":"token"}`, `"value":"value":"key":"pat"`, `{"key":"pat","value":`, `{"name":"\"","value":"a"}`, `{"values":{"values":{`,
		`a 5" disk`, `\`, `{"a":"\`, `[[[{"a":`, "\u2026", `"`, ``,
	} {
		f.Add(seed, seed, uint16(i*17), uint8(i))
	}
	const canary = "hunter2"
	f.Fuzz(func(t *testing.T, before, between string, cut uint16, form uint8) {
		if strings.Contains(before+between, "nter2") || strings.Contains(before+between, "hunter") {
			return
		}
		cleaned(before) // whatever it is
		filler, err := json.Marshal(strings.Repeat(between, 1+int(form>>5)))
		if err != nil {
			t.Fatal(err)
		}
		doc := fmt.Sprintf([]string{
			`{"n":%[1]s,"password":"hunter2","z":[%[1]s,null]}`,
			`{"key":"pat","z":[%[1]s,{"a":%[1]s}],"value":"hunter2","x":1}`,
			`{"value":{"a":[%[1]s,"hunter2"]},"z":[%[1]s,{"a":%[1]s}],"key":"pat"}`,
			`[{"values":["hunter2"],"a":1,"b":%[1]s,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"Name":"Set-Cookie"}]`,
		}[form&3], filler)
		if form&4 != 0 {
			doc = strings.ReplaceAll(doc, `","`, "\",\n\t\"")
		}
		for range form >> 3 & 3 { // written in strings
			b, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			doc = string(b)
		}
		if got := cleaned("The answer: " + doc); strings.Contains(got, canary) {
			t.Errorf("%s\nis %s", doc, got)
		}
		short := doc[:min(int(cut), len(doc))]
		if got := cleaned(short); strings.Contains(got, canary) {
			t.Errorf("%s\nis %s", short, got)
		}
		// Quotes and brackets that are left open before it confuse nothing.
		if got := cleaned(before + " " + doc + between); strings.Contains(got, canary) {
			t.Errorf("%s\nis %s", before+" "+doc+between, got)
		}
		if whole := withoutSecrets(doc); !json.Valid([]byte(whole)) || strings.Contains(whole, canary) {
			t.Errorf("%s\nis %s", doc, whole)
		}
	})
}

// Long texts take time in proportion to their length, whatever they are made of.
func BenchmarkCleaned(b *testing.B) {
	for _, part := range []string{`{"a":`, `"key":"value":`, `"token":["a",`, `{"value":"\"`, `\"token\":\"`, `{"name":"pat","value":"x"} `} {
		text := strings.Repeat(part, 1<<20/len(part))
		b.Run(part, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				cleaned(text)
			}
		})
	}
}
