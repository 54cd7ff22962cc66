#include "net/import/import_verb.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "net/disk/posix_file.h"
#include "node/config/config.h"

namespace quorate::net {
namespace {

constexpr int kExitFiles = 1;
constexpr int kExitWrong = 2;

// `bazel run` starts programs in another folder.
std::string FromTypedFolder(const std::string& path) {
  const char* const folder = std::getenv("BUILD_WORKING_DIRECTORY");
  if (folder == nullptr || path.starts_with('/')) return path;
  return absl::StrCat(folder, "/", path);
}

absl::StatusOr<std::string> ReadInput(const std::string& path) {
  const OwnedFd file(open(FromTypedFolder(path).c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FileError(errno, "reading", path);
  std::string text;
  char bytes[4096];
  ssize_t size = 0;
  while ((size = read(file.get(), bytes, sizeof(bytes))) > 0) {
    text.append(bytes, static_cast<size_t>(size));
  }
  if (size < 0) return FileError(errno, "reading", path);
  return text;
}

absl::Status WriteNew(const std::string& path, const std::string& text) {
  const OwnedFd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (file.get() < 0 && errno == EEXIST) {
    return absl::AlreadyExistsError(
        absl::StrCat("'", path, "' exists; remove it, or name another place"));
  }
  if (file.get() < 0) return FileError(errno, "writing", path);
  std::vector<iovec> pieces = {{const_cast<char*>(text.data()), text.size()}};
  const int error = WriteFully(file.get(), pieces, 0, /*durable=*/false);
  if (error == 0) return absl::OkStatus();
  // A part of a configuration is of no use, and another try finds the place
  // free.
  unlink(path.c_str());
  return FileError(error, "writing", path);
}

ImportAnswer Failed(const absl::Status& status, int exit_status) {
  return {.error = std::string(status.message()), .exit_status = exit_status};
}

// The path and the text of each file to write. An empty path: standard output.
struct ImportedFile {
  std::string path;
  std::string text;
};

std::vector<ImportedFile> Files(const FoundingPlan& plan,
                                const ImportPaths& paths,
                                const ImportOptions& options) {
  std::vector<ImportedFile> files;
  for (const node::NodeConfig& node : plan.nodes) {
    std::string path =
        paths.out_dir.empty()
            ? paths.out
            : absl::StrCat(paths.out_dir, "/node-", node.id.value(), ".toml");
    files.push_back({std::move(path), FoundingToml(plan, options, node.id)});
    if (paths.out_dir.empty()) break;
  }
  return files;
}

std::string NextStep(const ImportPaths& paths) {
  constexpr char kStart[] =
      "start each node, the first time with quorated --config FILE "
      "--bootstrap (and --alone if it is the only one).\n";
  if (!paths.out_dir.empty()) {
    return absl::StrCat("Next: ", kStart);
  }
  return absl::StrCat(
      "Next: copy this file of node 1 for each node, and change the lines that "
      "its head names; or give --out-dir, which writes the files of all nodes. "
      "Then ",
      kStart);
}

}  // namespace

ImportAnswer ImportConfig(const ImportPaths& paths,
                          const ImportOptions& options, bool dry_run) {
  const absl::StatusOr<std::string> text = ReadInput(paths.file);
  if (!text.ok()) return Failed(text.status(), kExitFiles);
  const absl::StatusOr<ShardingFile> file =
      ParseShardingFile(*text, paths.file);
  if (!file.ok()) return Failed(file.status(), kExitWrong);
  const absl::StatusOr<FoundingPlan> plan = PlanFounding(*file, options);
  if (!plan.ok()) {
    return Failed(absl::InvalidArgumentError(absl::StrCat(
                      paths.file, ": ", std::string(plan.status().message()))),
                  kExitWrong);
  }
  const std::vector<ImportedFile> files = Files(*plan, paths, options);
  for (const ImportedFile& one : files) {
    const auto read = node::ParseConfig(one.text, "the result");
    if (!read.ok()) return Failed(read.status(), kExitWrong);
  }
  ImportAnswer answer = {
      .notes = absl::StrCat(FoundingNotes(*plan, *file), NextStep(paths))};
  if (dry_run) return answer;
  if (!paths.out_dir.empty()) {
    std::error_code error;
    std::filesystem::create_directories(FromTypedFolder(paths.out_dir), error);
    if (error) {
      return Failed(FileError(error.value(), "making", paths.out_dir),
                    kExitFiles);
    }
  }
  for (const ImportedFile& one : files) {
    if (one.path.empty()) {
      answer.out = one.text;
      continue;
    }
    const absl::Status written = WriteNew(FromTypedFolder(one.path), one.text);
    if (!written.ok()) return Failed(written, kExitFiles);
  }
  return answer;
}

}  // namespace quorate::net
