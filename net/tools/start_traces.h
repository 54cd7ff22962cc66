// net/tools/start_traces.h: what a start leaves on disk, so that a failed one leaves
// nothing.
//
// A store is never removed: from the moment at which its marker stands in the
// directory, everything stays.
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
  // Looks at `directory` before the start; changes nothing.
  explicit StartTraces(const std::string& directory)
      : StartTraces(directory, Names()) {}
  StartTraces(const std::string& directory, Names names);

  // The directory held the file, or directory, `name`.
  bool had(const std::string& name) const { return files_.contains(name); }
  // The directory held a store already.
  bool was_store() const { return had(names_.marker); }
  // Removes the files that were made since, then the directory and those of
  // its parents that were made since and are empty. Removes nothing if the
  // directory is a store or in use by another process. Requires: this process
  // has closed what it had open there.
  void Remove() const;

 private:
  void RemoveFiles() const;

  const Names names_;
  std::filesystem::path directory_;
  std::set<std::string> files_;
  // Those that did not exist, the deepest first.
  std::vector<std::filesystem::path> missing_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_START_TRACES_H_
