// What Margay's pages do beyond plain HTML. Without it each page works: forms
// are sent, links lead on, times are absolute.
import "htmx.org";
import { live } from "./live.js";
import { keys } from "./keys.js";
import { forms } from "./forms.js";
import { times } from "./times.js";
import { waiting } from "./waiting.js";
import { copying, dialogs, marking, showing } from "./parts.js";

document.documentElement.classList.add("scripted");
forms();
times();
copying();
dialogs();
showing();
marking();
keys();
waiting();
live();
