package mmapstore

// Override is what an operator says about a family in the files of another
// client: what these do not tell, or tell wrongly. Zero fields leave it as it is.
type Override struct {
	// Type of a family with one value per label set. A histogram or summary
	// that its file calls so stays one.
	Type Type
	// Mode of a gauge. It makes a gauge of a family whose file tells no type.
	Mode Mode
	Help string
	// Drop leaves the family out.
	Drop bool
}

// Overrides are by name of the family. Goroutines share them: they do not change
// once made.
type Overrides map[string]Override
