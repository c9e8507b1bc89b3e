package workflow

import _ "embed" // the module that every workflow may import

// coreModule is the TypeScript of the module "margay".
//
//go:embed sdk/margay.ts
var coreModule string
