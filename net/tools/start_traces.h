// net/tools/start_traces.h: removes the files that a failed start left on disk.
//
// A store is never removed: once its marker is in the directory, every file is
// kept.
#ifndef QUORATE_NET_TOOLS_START_TRACES_H_
#define QUORATE_NET_TOOLS_START_TRACES_H_

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace quorate::net {

class StartTraces {
 public:
  struct Names {
    // Excludes other processes.
    std::string lock = "lock";
    // The file that makes the directory a store; empty: there is none.
    std::string marker = "identity";
  };
  // Records the contents of `directory` before the start; changes nothing.
  explicit StartTraces(const std::string& directory)
      : StartTraces(directory, Names()) {}
  StartTraces(const std::string& directory, Names names);

  // True if the directory contained the file or directory `name`.
  bool had(const std::string& name) const { return files_.contains(name); }
  // True if the directory contained a store.
  bool was_store() const { return had(names_.marker); }
  // Removes the files created since, then the directory and those of its
  // parents that were created since and are empty. Removes nothing if the
  // directory is a store or another process uses it. Requires: this process has
  // closed its files there.
  void Remove() const;

 private:
  void RemoveFiles() const;

  const Names names_;
  std::filesystem::path directory_;
  std::set<std::string> files_;
  // Directories that did not exist, the deepest first.
  std::vector<std::filesystem::path> missing_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_START_TRACES_H_
