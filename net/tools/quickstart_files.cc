#include "net/tools/quickstart_files.h"

#include <errno.h>
#include <fcntl.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/parse_integer.h"
#include "net/disk/posix_file.h"
#include "node/config/config.h"

namespace quorate::net {
namespace {

absl::StatusOr<std::string> DefaultDirectory() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') {
    return std::string(cache) + "/quorate/quickstart";
  }
  const char* const home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') {
    return absl::FailedPreconditionError("HOME is not set: give a --data-dir");
  }
  return std::string(home) + "/.cache/quorate/quickstart";
}

}  // namespace

absl::StatusOr<std::string> QuickstartDirectory(const std::string& data_dir) {
  if (data_dir.empty()) return DefaultDirectory();
  // Relative to the directory in which the user typed the command, since bazel
  // run changes it.
  const char* const typed_in = std::getenv("BUILD_WORKING_DIRECTORY");
  std::filesystem::path path(data_dir);
  if (path.is_relative() && typed_in != nullptr) {
    path = std::filesystem::path(typed_in) / path;
  }
  return std::filesystem::absolute(path).lexically_normal().string();
}

int PrintQuickstartError(const absl::Status& status, int exit_status) {
  std::fprintf(stderr, "quickstart: %s\n",
               std::string(status.message()).c_str());
  return exit_status;
}

std::string ReadText(const std::string& path, uintmax_t from) {
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(from));
  return std::string((std::istreambuf_iterator<char>(in)),
                     std::istreambuf_iterator<char>());
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  const std::string staging = path + ".new";
  const OwnedFd fd(
      open(staging.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (fd.get() < 0) return FileError(errno, "writing", staging);
  std::vector<iovec> pieces = {{const_cast<char*>(text.data()), text.size()}};
  const int error = WriteFully(fd.get(), pieces, 0, /*durable=*/true);
  if (error != 0) return FileError(error, "writing", staging);
  if (rename(staging.c_str(), path.c_str()) != 0) {
    return FileError(errno, "writing", path);
  }
  return absl::OkStatus();
}

std::vector<QuickstartNode> KnownNodes(const std::string& directory) {
  std::map<uint32_t, QuickstartNode> nodes;
  std::error_code error;
  for (const auto& file :
       std::filesystem::directory_iterator(directory, error)) {
    const std::string name = file.path().filename().string();
    uint32_t id = 0;
    if (!name.starts_with("node-") || !name.ends_with(".toml") ||
        !ParseInteger(std::string_view(name).substr(5, name.size() - 10),
                      &id)) {
      continue;
    }
    const auto config = node::ParseConfig(ReadText(file.path().string()), name);
    if (!config.ok() || config->node != NodeId(id)) continue;
    const std::string base = absl::StrCat(directory, "/node-", id);
    nodes[id] = {.id = NodeId(id),
                 .resp = config->self().resp,
                 .resp_cluster = config->self().resp_cluster,
                 .http = config->self().http,
                 .peer = config->self().peer,
                 .admin = config->listen.admin,
                 .read_only = config->self().read_only,
                 .data_dir = base,
                 .config_file = base + ".toml",
                 .log_file = base + ".log"};
  }
  std::vector<QuickstartNode> list;
  for (auto& [id, node] : nodes) list.push_back(std::move(node));
  return list;
}

}  // namespace quorate::net
