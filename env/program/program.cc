#include "env/program/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "env/program/version.h"

namespace quorate {
namespace {

std::string NameOf(const char* program_path) {
  const std::string_view path =
      program_path == nullptr ? "quorate" : program_path;
  return std::string(path.substr(path.rfind('/') + 1));
}

// Text for people would go to the first file or socket that gets the number of
// a closed descriptor. Each is opened in the wrong direction, so its use fails
// as if it were closed.
void OccupyStandardDescriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace

std::string VersionText(const char* program_path) {
  return NameOf(program_path) + " " + std::string(kQuorateVersion);
}

int RunProgram(int argc, char** argv, const std::function<int()>& body) {
  OccupyStandardDescriptors();
  int exit_status = 0;
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::printf("%s\n", VersionText(argv[0]).c_str());
  } else {
    exit_status = body();
  }
  // An earlier failure is remembered: the mark of a stream is never cleared.
  const bool flushed = std::fflush(stdout) == 0;
  if (flushed && std::ferror(stdout) == 0) return exit_status;
  std::fprintf(stderr, "%s: standard output cannot be written\n",
               NameOf(argv[0]).c_str());
  return kExitNoOutput;
}

}  // namespace quorate
