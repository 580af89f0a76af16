// The files of the status page, put into the program by embed.py.
#ifndef GUIDEWAY_CONTROLPLANE_STATUS_PAGE_FILES_H_
#define GUIDEWAY_CONTROLPLANE_STATUS_PAGE_FILES_H_

#include <string>
#include <string_view>

namespace guideway {

struct StatusPageFile {
  const char* path;  // "/", "/page.js"
  const char* content_type;
  std::string_view content;
};

// Null: there is none. Thread safety: any thread.
const StatusPageFile* FindStatusPageFile(const std::string& path);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_STATUS_PAGE_FILES_H_
