# What is installed, and the Debian package made of it (./dev package).

set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON) # the spec host is not for others
install(TARGETS moongate DESTINATION bin)
install(DIRECTORY lua plugins DESTINATION share/moongate
  PATTERN spec EXCLUDE) # plugins' specs; the harness is lua/moongate/spec
install(DIRECTORY lua/moongate/spec DESTINATION share/moongate/lua/moongate)
install(DIRECTORY docs/ DESTINATION share/doc/moongate)
install(FILES README.md DESTINATION share/doc/moongate)
install(DIRECTORY examples DESTINATION share/doc/moongate)
install(FILES packaging/copyright DESTINATION share/doc/moongate)
install(FILES packaging/moongate.yaml DESTINATION /etc/moongate PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
install(DIRECTORY DESTINATION /etc/moongate/plugins)
install(FILES examples/systemd/moongate.service examples/systemd/moongate.socket DESTINATION /lib/systemd/system)
find_program(GZIP gzip)
if(GZIP)
  add_custom_command(OUTPUT moongate.1.gz
    COMMAND ${GZIP} -9nc ${CMAKE_SOURCE_DIR}/packaging/moongate.1 > moongate.1.gz
    DEPENDS ${CMAKE_SOURCE_DIR}/packaging/moongate.1 VERBATIM)
  add_custom_target(manual ALL DEPENDS moongate.1.gz)
  install(FILES ${CMAKE_BINARY_DIR}/moongate.1.gz DESTINATION share/man/man1)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME moongate)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "Moongate <moongate@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "API gateway you program in Lua")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Takes HTTP requests, routes them to services, and runs plugins written in Lua\n\
on their way: authentication, limits, transformations, and what you write.\n\
Configuration and plugins are reloaded while it serves.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_SET_DESTDIR OFF)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION httpd)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, libluajit2-5.1-2, lua-yaml, lua-cjson")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates") # whom services over TLS are believed by
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "lua-busted")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_SOURCE_DIR}/packaging/deb/conffiles ${CMAKE_SOURCE_DIR}/packaging/deb/postinst
  ${CMAKE_SOURCE_DIR}/packaging/deb/prerm ${CMAKE_SOURCE_DIR}/packaging/deb/postrm)
include(CPack)
