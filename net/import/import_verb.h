// net/import/import_verb.h: the verb import-config of quoratectl
// (docs/reference/quoratectl.md).
#ifndef QUORATE_NET_IMPORT_IMPORT_VERB_H_
#define QUORATE_NET_IMPORT_IMPORT_VERB_H_

#include <string>

#include "net/import/founding_plan.h"

namespace quorate::net {

struct ImportPaths {
  std::string file;
  // At most one of these: a file for the configuration of node 1, or a
  // directory for those of all nodes. Neither: standard output.
  std::string out;
  std::string out_dir;
};

struct ImportAnswer {
  std::string out;    // For standard output.
  std::string notes;  // For standard error: the choices.
  std::string error;
  int exit_status = 0;
};

// Relative paths are those of the folder in which the user typed the command.
// Replaces no file. `dry_run`: writes none. Exit status 2: the file is wrong.
// Exit status 1: it cannot be read, or the result cannot be written.
ImportAnswer ImportConfig(const ImportPaths& paths,
                          const ImportOptions& options, bool dry_run);

}  // namespace quorate::net

#endif  // QUORATE_NET_IMPORT_IMPORT_VERB_H_
