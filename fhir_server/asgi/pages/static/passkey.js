// Asks the browser for a passkey and sends what it answers with the form. The only script of these pages.
"use strict";

const form = document.querySelector("form[data-passkey]");
const told = document.getElementById("passkey-told");

async function answer() {
  const options = JSON.parse(form.dataset.options);
  const credential = form.dataset.passkey === "make"
    ? await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options)})
    : await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)});
  return JSON.stringify(credential.toJSON());
}

form.addEventListener("submit", (event) => {
  if (form.elements.credential.value) return;
  event.preventDefault();
  told.hidden = true;
  answer().then(
    (credential) => { form.elements.credential.value = credential; form.submit(); },
    () => { told.hidden = false; },
  );
});
