// SPDX-License-Identifier: Apache-2.0

// Command referee answers questions about notes, trees and published tiles with golang.org/x/mod's own code, one JSON
// object a line.
// tests/referees/test_go.py asks, and compares the answers with those of anchor.proof.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Ask    string   `json:"ask"`
	Key    string   `json:"key"`
	Note   string   `json:"note"`
	Folder string   `json:"folder"`
	Leaves []string `json:"leaves"`
	Size   int64    `json:"size"`
	Index  int64    `json:"index"`
	Path   []string `json:"path"`
	Root   string   `json:"root"`
	Hash   string   `json:"hash"`
}

type answer struct {
	Text string   `json:"text"`
	Path []string `json:"path"`
	Err  string   `json:"error"`
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	decoder := json.NewDecoder(lines)
	encoder := json.NewEncoder(os.Stdout)
	for {
		var q question
		if decoder.Decode(&q) != nil {
			return
		}
		a, err := reply(q)
		if err != nil {
			a.Err = err.Error()
		}
		if encoder.Encode(a) != nil {
			return
		}
	}
}

func reply(q question) (answer, error) {
	switch q.Ask {
	case "open":
		return open(q)
	case "sign":
		return sign(q)
	case "root":
		return root(q)
	case "prove record":
		return proveRecord(q)
	case "prove tree":
		return proveTree(q)
	case "check record":
		return checkRecord(q)
	case "check tree":
		return checkTree(q)
	case "published":
		return published(q)
	}
	return answer{}, fmt.Errorf("unknown question %q", q.Ask)
}

func open(q question) (answer, error) {
	verifier, err := note.NewVerifier(q.Key)
	if err != nil {
		return answer{}, err
	}
	opened, err := note.Open([]byte(q.Note), note.VerifierList(verifier))
	if err != nil {
		return answer{}, err
	}
	return answer{Text: opened.Text}, nil
}

func sign(q question) (answer, error) {
	signer, err := note.NewSigner(q.Key)
	if err != nil {
		return answer{}, err
	}
	signed, err := note.Sign(&note.Note{Text: q.Note}, signer)
	return answer{Text: string(signed)}, err
}

// stored holds a tree's hashes in the order in which tlog stores them.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = s[index]
	}
	return hashes, nil
}

func store(leaves []string) (stored, error) {
	var tree stored
	for i, leaf := range leaves {
		raw, err := hex.DecodeString(leaf)
		if err != nil {
			return nil, err
		}
		hashes, err := tlog.StoredHashes(int64(i), raw, tree)
		if err != nil {
			return nil, err
		}
		tree = append(tree, hashes...)
	}
	return tree, nil
}

func root(q question) (answer, error) {
	tree, err := store(q.Leaves)
	if err != nil {
		return answer{}, err
	}
	hash, err := tlog.TreeHash(q.Size, tree)
	return answer{Text: hex.EncodeToString(hash[:])}, err
}

func proveRecord(q question) (answer, error) {
	tree, err := store(q.Leaves)
	if err != nil {
		return answer{}, err
	}
	path, err := tlog.ProveRecord(q.Size, q.Index, tree)
	return answer{Path: toHex(path)}, err
}

func proveTree(q question) (answer, error) {
	tree, err := store(q.Leaves)
	if err != nil {
		return answer{}, err
	}
	path, err := tlog.ProveTree(q.Size, q.Index, tree)
	return answer{Path: toHex(path)}, err
}

func checkRecord(q question) (answer, error) {
	path, root, hash, err := proof(q)
	if err != nil {
		return answer{}, err
	}
	return answer{}, tlog.CheckRecord(tlog.RecordProof(path), q.Size, root, q.Index, hash)
}

func checkTree(q question) (answer, error) {
	path, root, hash, err := proof(q)
	if err != nil {
		return answer{}, err
	}
	return answer{}, tlog.CheckTree(tlog.TreeProof(path), q.Size, root, q.Index, hash)
}

func proof(q question) (path []tlog.Hash, root, hash tlog.Hash, err error) {
	for _, item := range q.Path {
		node, err := fromHex(item)
		if err != nil {
			return nil, root, hash, err
		}
		path = append(path, node)
	}
	if root, err = fromHex(q.Root); err != nil {
		return nil, root, hash, err
	}
	hash, err = fromHex(q.Hash)
	return path, root, hash, err
}

// folder reads tiles as C2SP names them: tlog's own names have the height in front of the level.
type folder string

func (f folder) Height() int                     { return 8 }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		raw, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		data[i] = raw
	}
	return data, nil
}

// published opens a folder's checkpoint, reads every leaf hash through tlog's verifying tile reader, and compares the
// leaves in the entry bundles with them where q.Index is 1. It answers with the number of leaves.
func published(q question) (answer, error) {
	raw, err := os.ReadFile(filepath.Join(q.Folder, "checkpoint"))
	if err != nil {
		return answer{}, err
	}
	opened, err := open(question{Key: q.Key, Note: string(raw)})
	if err != nil {
		return answer{}, err
	}
	tree, err := parseTree(opened.Text)
	if err != nil {
		return answer{}, err
	}
	indexes := make([]int64, tree.N)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, int64(i))
	}
	hashes, err := tlog.TileHashReader(tree, folder(q.Folder)).ReadHashes(indexes)
	if err != nil {
		return answer{}, err
	}
	if q.Index == 1 {
		err = compareEntries(q.Folder, tree.N, hashes)
	}
	return answer{Text: strconv.FormatInt(tree.N, 10)}, err
}

func parseTree(text string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("no root: %q", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

func compareEntries(base string, size int64, hashes []tlog.Hash) error {
	for first := int64(0); first < size; first += 256 {
		width := size - first
		if width > 256 {
			width = 256
		}
		tile := tlog.Tile{H: 8, L: 0, N: first / 256, W: int(width)}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		raw, err := os.ReadFile(filepath.Join(base, path))
		if err != nil {
			return err
		}
		for i := first; i < first+int64(tile.W); i++ {
			if len(raw) < 2 || len(raw) < 2+int(binary.BigEndian.Uint16(raw)) {
				return fmt.Errorf("%s ends early", path)
			}
			end := 2 + int(binary.BigEndian.Uint16(raw))
			if tlog.RecordHash(raw[2:end]) != hashes[i] {
				return fmt.Errorf("entry %d has another hash than its tile", i)
			}
			raw = raw[end:]
		}
		if len(raw) != 0 {
			return fmt.Errorf("%s has bytes left over", path)
		}
	}
	return nil
}

func fromHex(text string) (hash tlog.Hash, err error) {
	raw, err := hex.DecodeString(text)
	if err == nil && len(raw) != len(hash) {
		err = fmt.Errorf("expected %d bytes, got %d", len(hash), len(raw))
	}
	copy(hash[:], raw)
	return hash, err
}

func toHex(path []tlog.Hash) []string {
	texts := []string{}
	for _, hash := range path {
		texts = append(texts, hex.EncodeToString(hash[:]))
	}
	return texts
}
