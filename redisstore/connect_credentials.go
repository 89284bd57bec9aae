package redisstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

var (
	errTwoUsers     = errors.New("redis username: the URL has another")
	errTwoPasswords = errors.New("redis password file: the URL has a password as well")
	errNoPassword   = errors.New("redis username: a user without a password; an empty one is not sent")
)

// credentials are who connects.
type credentials struct {
	user, password string
	file           string // has the password, if any
}

func (c Config) credentials(at address) (credentials, error) {
	who := credentials{user: at.user, password: at.password, file: c.PasswordFile}
	switch {
	case c.Username != "" && at.user != "" && c.Username != at.user:
		return who, errTwoUsers
	case c.PasswordFile != "" && at.password != "":
		return who, errTwoPasswords
	case c.Username != "":
		who.user = c.Username
	}
	_, password, err := who.now(context.Background())
	if err == nil && who.user != "" && password == "" {
		err = errNoPassword
	}
	return who, err
}

// now is who connects at this moment: the file's content may be another each time.
func (who credentials) now(context.Context) (user, password string, err error) {
	if who.file == "" {
		return who.user, who.password, nil
	}
	content, err := os.ReadFile(who.file)
	if err != nil {
		return "", "", fmt.Errorf("redis password file: %w", err)
	}
	password = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if password == "" {
		return "", "", fmt.Errorf("redis password file: %s: empty", who.file)
	}
	return who.user, password, nil
}
