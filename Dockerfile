# griphub alone, as a static binary. Pushpin and the broker are containers of their own: see docker-compose.yml.
FROM golang:1.26.8-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# docker build --build-arg VERSION=1.2.3: what griphub version says.
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w -X main.release=$VERSION" -o /out/griphub ./cmd/griphub \
 && mkdir /out/data

FROM scratch
# For brokers, databases and webhooks over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/griphub /bin/griphub
# A volume that is mounted here for the first time takes over this owner.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8000 8001
ENTRYPOINT ["/bin/griphub"]
CMD ["serve"]
